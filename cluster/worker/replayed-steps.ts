/** Iterations of an engine whose simulated times pass. */
import { Fault } from "../../engine/basics/fault.ts";
import { loadOf, type StepTimes } from "../../engine/tokens/step-times.ts";
import type { Sequence } from "../../engine/tokens/token-engine.ts";
import type { Clock } from "../time/clock.ts";
import type { MadeToken, Steps } from "./engine-host.ts";

/** Longest iteration of unmeasured jobs: enough to use the timer. */
const WARM_UP_US = 2000;
const NO_TEXTS: ReadonlyMap<Sequence, MadeToken> = new Map();

export function replayedSteps(
  stepTimes: StepTimes,
  timeScale: number,
  clock: Pick<Clock, "nowUs" | "set">,
): Steps {
  let dueUs = 0;
  return {
    provenance: null,
    cost: { loadMs: 0, memoryBytes: 0 },
    most: Number.POSITIVE_INFINITY,
    job({ tokens }) {
      if (tokens !== null && tokens.prompt !== null) {
        return { ...tokens, prompt: tokens.prompt, mayEnd: false };
      }
      throw new Fault("invalid-input", "a replayed language model needs the lengths of a job", {
        hint: "give parameters prompt_tokens and output_tokens",
      });
    },
    run({ shares, follows, warmUp }, ended) {
      const us = Math.max(1, Math.round(stepTimes(loadOf(shares))));
      const passUs = warmUp ? Math.min(us * timeScale, WARM_UP_US) : us * timeScale;
      // An alarm that rings late makes no iteration longer.
      dueUs = (follows ? dueUs : clock.nowUs()) + passUs;
      clock.set(dueUs, () => ended(us, NO_TEXTS));
    },
    began: () => undefined,
    handOver: () => null,
    left: () => undefined,
    close: async () => undefined,
  };
}
