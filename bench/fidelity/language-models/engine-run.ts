/** A published run of a serving engine, played on the engine of the simulator: its arrivals and lengths, our times. */
import type { StepTimes } from "../../../engine/tokens/step-times.ts";
import { loadOf } from "../../../engine/tokens/step-times.ts";
import {
  type EngineLimits,
  type IterationPolicy,
  newSequence,
  TokenEngine,
} from "../../../engine/tokens/token-engine.ts";

export interface TokenRequest {
  readonly arrivalUs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

/** Times from a request's arrival, µs. */
export interface TokenTimes {
  readonly firstTokenUs: number;
  readonly lastTokenUs: number;
}

export interface PlayedRun {
  /** In the order of the requests. */
  readonly times: readonly TokenTimes[];
  readonly iterations: number;
  readonly preemptions: number;
}

/** `requests` in order of arrival. */
export function playRun(
  requests: readonly TokenRequest[],
  limits: EngineLimits,
  policy: IterationPolicy,
  stepTimes: StepTimes,
): PlayedRun {
  const engine = new TokenEngine(limits, policy);
  const firstUs = new Array<number>(requests.length).fill(Number.NaN);
  const lastUs = new Array<number>(requests.length).fill(Number.NaN);
  let [nowUs, next, iterations] = [0, 0, 0];
  for (;;) {
    for (; next < requests.length && requests[next].arrivalUs <= nowUs; next++) {
      const { promptTokens, arrivalUs } = requests[next];
      engine.add(newSequence(next, promptTokens, arrivalUs));
    }
    const shares = engine.plan();
    if (shares.length === 0) {
      if (next === requests.length) break;
      nowUs = requests[next].arrivalUs;
      continue;
    }
    iterations++;
    nowUs += Math.round(stepTimes(loadOf(shares)));
    for (const sequence of engine.ended(shares)) {
      const { id, made, arrivedUs } = sequence;
      if (made === 1) firstUs[id] = nowUs - arrivedUs;
      if (made < requests[id].outputTokens) continue;
      lastUs[id] = nowUs - arrivedUs;
      engine.remove(sequence);
    }
  }
  const times = requests.map((_, i) => ({ firstTokenUs: firstUs[i], lastTokenUs: lastUs[i] }));
  return { times, iterations, preemptions: engine.preemptions };
}
