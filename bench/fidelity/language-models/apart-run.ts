/** A published run with prefill and decode on different devices, played on two engines of the simulator. */
import { loadOf, type StepLoad, type StepTimes } from "../../../engine/tokens/step-times.ts";
import {
  type EngineLimits,
  newSequence,
  type Sequence,
  type Share,
  TokenEngine,
} from "../../../engine/tokens/token-engine.ts";
import { distserveDecode, distservePrefill } from "../../../schedulers/iterations/distserve.ts";
import type { PlayedRun, TokenRequest } from "./engine-run.ts";

export interface Pool {
  readonly limits: EngineLimits;
  readonly stepTimes: StepTimes;
}

/** An engine, and the iteration that it runs until `endUs`. */
class BusyEngine {
  readonly engine: TokenEngine;
  endUs = Number.POSITIVE_INFINITY;
  iterations = 0;
  #shares: readonly Share[] = [];

  constructor(engine: TokenEngine) {
    this.engine = engine;
  }

  /** The sequences that made a token, where the iteration ends now. */
  ended(nowUs: number): readonly Sequence[] {
    if (this.endUs !== nowUs) return [];
    this.endUs = Number.POSITIVE_INFINITY;
    return this.engine.ended(this.#shares);
  }

  /** The shares of an iteration that starts now; empty where one runs, or none can. */
  started(nowUs: number, us: (shares: readonly Share[]) => number): readonly Share[] {
    if (this.endUs !== Number.POSITIVE_INFINITY) return [];
    this.#shares = this.engine.plan();
    if (this.#shares.length === 0) return [];
    this.iterations++;
    this.endUs = nowUs + Math.round(us(this.#shares));
    return this.#shares;
  }
}

/**
 * `requests` in order of arrival. A sequence keeps its blocks in the first pool until the second has room for it, so a
 * full second pool stops the first in the end. `handOverMs`: from its first token until the second pool may take it.
 */
export function playApart(
  requests: readonly TokenRequest[],
  first: Pool,
  second: Pool,
  handOverMs: number,
): PlayedRun {
  const prefill = new BusyEngine(new TokenEngine(first.limits, distservePrefill()));
  const decode = new BusyEngine(new TokenEngine(second.limits, distserveDecode()));
  const firstUs = new Array<number>(requests.length).fill(Number.NaN);
  const lastUs = new Array<number>(requests.length).fill(Number.NaN);
  /** On their way to the second pool, in order, and by request what still has blocks in the first. */
  const handed: { readonly atUs: number; readonly sequence: Sequence }[] = [];
  const kept = new Map<number, Sequence>();
  let next = 0;
  for (;;) {
    const arrivalUs = requests[next]?.arrivalUs ?? Number.POSITIVE_INFINITY;
    const handedUs = handed[0]?.atUs ?? Number.POSITIVE_INFINITY;
    const nowUs = Math.min(arrivalUs, handedUs, prefill.endUs, decode.endUs);
    if (nowUs === Number.POSITIVE_INFINITY) break;
    for (; next < requests.length && requests[next].arrivalUs <= nowUs; next++) {
      prefill.engine.add(newSequence(next, requests[next].promptTokens, arrivalUs));
    }
    for (const sequence of prefill.ended(nowUs)) {
      const { id, promptTokens, arrivedUs } = sequence;
      firstUs[id] = nowUs - arrivedUs;
      if (requests[id].outputTokens === 1) {
        lastUs[id] = firstUs[id];
        prefill.engine.remove(sequence);
        continue;
      }
      const moved = newSequence(id, promptTokens, arrivedUs);
      moved.made = 1;
      moved.computed = promptTokens;
      kept.set(id, sequence);
      handed.push({ atUs: nowUs + Math.round(handOverMs * 1000), sequence: moved });
    }
    for (const sequence of decode.ended(nowUs)) {
      if (sequence.made < requests[sequence.id].outputTokens) continue;
      lastUs[sequence.id] = nowUs - sequence.arrivedUs;
      decode.engine.remove(sequence);
    }
    while (handed.length > 0 && handed[0].atUs <= nowUs) {
      const [{ sequence }] = handed.splice(0, 1);
      decode.engine.add(sequence);
    }
    const joined = decode.started(nowUs, (shares) => second.stepTimes(decodeLoad(shares)));
    for (const { sequence } of joined) {
      const own = kept.get(sequence.id);
      if (own === undefined) continue;
      prefill.engine.remove(own);
      kept.delete(sequence.id);
    }
    prefill.started(nowUs, (shares) => first.stepTimes(loadOf(shares)));
  }
  return {
    times: requests.map((_, i) => ({ firstTokenUs: firstUs[i], lastTokenUs: lastUs[i] })),
    iterations: prefill.iterations + decode.iterations,
    preemptions: decode.engine.preemptions,
  };
}

/** DistServe swaps a preempted sequence back in, so its tokens are not computed again. */
function decodeLoad(shares: readonly Share[]): StepLoad {
  const context = shares.reduce(
    (sum, { sequence }) => sum + sequence.promptTokens + sequence.made,
    0,
  );
  return { chunks: [], decodes: shares.length, context, heads: shares.length };
}
