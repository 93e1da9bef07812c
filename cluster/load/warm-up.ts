/**
 * Unmeasured requests before a run. Code that never ran is ten times slower than code that did, in
 * the generator, the gateway and every worker; the simulator predicts the latter. They go the way
 * that the run's requests will go, in bursts.
 */
import { performance } from "node:perf_hooks";
import { Fault } from "../../core/fault.ts";
import type { LoadSpecification } from "./specification.ts";
import type { LoadTarget } from "./target.ts";

/** Requests in a burst: from the least on, twice as many while a burst takes no longer than this. */
const LEAST_AT_ONCE = 2;
const MOST_AT_ONCE = 50;
const BURST_MS = 100;
/** A new deployment needs some seconds; one that ran before is as fast as it gets after less. */
const MAX_MS = 4000;
/** Warm is what has not become faster by this share for this long, by its fastest burst. */
const GAIN = 0.05;
const SETTLED_MS = 750;

/** Whoever waits for the generator to be ready waits no longer than the two together. */
const ANSWER_MS = 25_000;

/**
 * Bursts over every pipeline until they get no faster; what becomes of the requests is no matter.
 * Rejects with Fault("cluster-failure") when one of them is not answered at all.
 */
export async function warmUp(
  target: LoadTarget,
  { pipelines }: LoadSpecification,
  answerMs = ANSWER_MS,
): Promise<void> {
  const stopAt = Date.now() + MAX_MS;
  const send = (request: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const pipeline = request % pipelines.length;
      const late = setTimeout(() => {
        const message = `the target has not answered a request of the warm-up within ${answerMs / 1000} s`;
        reject(new Fault("cluster-failure", message));
        // Which answers it.
        giveUp();
      }, answerMs);
      const giveUp = target.send({ request, pipeline, intendedUs: 0 }, () => {
        clearTimeout(late);
        resolve();
      });
    });
  let atOnce = LEAST_AT_ONCE;
  let fastestMs = Number.POSITIVE_INFINITY;
  let gainedAt = performance.now();
  for (let sent = 0; Date.now() < stopAt; ) {
    const startMs = performance.now();
    if (startMs - gainedAt > SETTLED_MS) return;
    await Promise.all(Array.from({ length: atOnce }, () => send(sent++)));
    const tookMs = performance.now() - startMs;
    if (atOnce < MOST_AT_ONCE && tookMs < BURST_MS) {
      atOnce = Math.min(MOST_AT_ONCE, atOnce * 2);
      fastestMs = Number.POSITIVE_INFINITY;
    } else if (tookMs < fastestMs * (1 - GAIN)) {
      fastestMs = tookMs;
      gainedAt = performance.now();
    }
  }
}
