/**
 * Times of iterations of a language model on another server, from outside: the first token of prompts alone, and the
 * time between tokens while so many answers are written at once. Its own scheduler and its messages are in them.
 */
import type { Backend } from "../cluster/worker/backend.ts";
import type { MeasuredStep } from "./fit-steps.ts";
import { powersUpTo } from "./step-times.ts";

interface OutsideGrid {
  readonly maxSequences: number;
  /** Tokens of the longest prompt. */
  readonly longest: number;
  /** Bound on the measurement, s. */
  readonly seconds: number;
}

/** Tokens of an answer whose gaps are measured. */
const OUTPUT = 24;
const SHORTEST = 16;
const CONTEXTS = [32, 256];

/** `open` gives a place for one request. One pass at least over what the bound leaves; more passes while there is time. */
export async function measureOutside(
  open: () => Promise<Backend>,
  { maxSequences, longest, seconds }: OutsideGrid,
  onStep: (text: string) => void = () => undefined,
): Promise<readonly MeasuredStep[]> {
  const untilMs = performance.now() + 1000 * seconds;
  const isLate = (): boolean => performance.now() > untilMs;
  const places = await Promise.all(Array.from({ length: maxSequences }, open));
  const cells = new Map<string, { cell: Omit<MeasuredStep, "timesUs">; timesUs: number[] }>();
  const add = (cell: Omit<MeasuredStep, "timesUs">, timesUs: readonly number[]): void => {
    const key = JSON.stringify(cell);
    const own = cells.get(key) ?? { cell, timesUs: [] };
    cells.set(key, own);
    own.timesUs.push(...timesUs);
  };
  try {
    await asked(places[0], SHORTEST, 2);
    for (let pass = 1; !isLate(); pass++) {
      for (const tokens of powersUpTo(longest, SHORTEST)) {
        if (isLate()) break;
        onStep(`pass ${pass}: a prompt of ${tokens} tokens`);
        const [beganMs, [firstMs]] = await asked(places[0], tokens, 2);
        const cell = { prefillTokens: tokens, beforeTokens: 0, decodes: 0, contextTokens: 0 };
        add(cell, [1000 * (firstMs - beganMs)]);
      }
      for (const context of CONTEXTS.map((tokens) => Math.min(tokens, longest))) {
        for (const decodes of powersUpTo(maxSequences, 1)) {
          if (isLate()) break;
          onStep(`pass ${pass}: ${decodes} answers after ${context} tokens`);
          const answers = await Promise.all(
            places.slice(0, decodes).map((place) => asked(place, context, OUTPUT)),
          );
          const contextTokens = decodes * (context + OUTPUT / 2);
          const cell = { prefillTokens: 0, beforeTokens: 0, decodes, contextTokens };
          add(cell, gapsOf(answers));
        }
      }
    }
    // Answers that a server writes one after the other are never written together.
    const known = [...cells.values()].filter(({ timesUs }) => timesUs.length > 0);
    return known.map(({ cell, timesUs }) => ({ ...cell, timesUs }));
  } finally {
    for (const place of places) await place.close();
  }
}

type Answer = readonly [beganMs: number, toldMs: readonly number[]];

/** When it was asked, and when each token but the last came. */
async function asked(place: Backend, prompt: number, output: number): Promise<Answer> {
  const toldMs: number[] = [];
  const beganMs = performance.now();
  const tokens = { prompt, output, priority: 0, client: 0, beginning: 0 };
  await place.run({ jobs: [], variate: null, warmUp: false, tokens }, () => {
    toldMs.push(performance.now());
  });
  return [beganMs, toldMs];
}

/** Times between tokens, µs, of one answer while all are written: after the last first token, before the first end. */
function gapsOf(answers: readonly Answer[]): readonly number[] {
  const fromMs = Math.max(...answers.map(([, [first]]) => first));
  const toMs = Math.min(...answers.map(([, told]) => told[told.length - 1]));
  const [, told] = answers[answers.length - 1];
  const among = told.filter((ms) => ms >= fromMs && ms <= toMs);
  return among.slice(1).map((ms, i) => 1000 * (ms - among[i]));
}
