/**
 * The clients of a scenario (`workload.client`): they give up an attempt after a time and retry after a
 * pause, by the simulator's policy. Without it, a client waits for ever and takes the first answer.
 */
import { RetryPolicy } from "../../core/arrivals/retry-policy.ts";
import type { ClientDocument } from "../../core/scenario/schema/workload.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { PreciseTimer } from "../time/precise-timer.ts";
import type { LoadAnswer, LoadCall, LoadTarget } from "./specification.ts";

/** Called with the last attempt's answer. */
type CallEnded = (last: LoadAnswer, attempts: number) => void;

/** Sends a request, and retries it. */
export type Caller = (call: LoadCall, ended: CallEnded) => void;

/** Maximum of Node's timers. */
const LONGEST_MS = 2 ** 31 - 1;

interface CallerOptions {
  readonly client: ClientDocument | undefined;
  readonly seed: string;
  readonly timeScale: number;
  readonly timer: PreciseTimer;
  /** Called with every attempt's answer. */
  readonly onAttempt: (answer: LoadAnswer) => void;
}

export function callerOf(
  target: LoadTarget,
  { client, seed, timeScale, timer, onAttempt }: CallerOptions,
): Caller {
  if (client === undefined) {
    return (call, ended) => {
      target.send(call, (answer) => {
        onAttempt(answer);
        ended(answer, 1);
      });
    };
  }
  const policy = new RetryPolicy(client, seed);
  const timeoutMs = Math.min(client.timeoutMs * timeScale, LONGEST_MS);
  const timedOut: LoadAnswer = {
    outcome: "cancelled",
    status: "no answer in time",
    error: `no answer within ${client.timeoutMs} ms`,
  };

  function attempt(call: LoadCall, retry: number, draws: Float64Array, ended: CallEnded): void {
    let open = true;
    const settle = (answer: LoadAnswer): void => {
      if (!open) return;
      open = false;
      clearTimeout(timeout);
      onAttempt(answer);
      const pauseUs = answer.outcome === "completed" ? null : policy.pauseUs(retry, draws);
      if (pauseUs === null) ended(answer, retry + 1);
      else {
        const atUs = monotonicUs() + pauseUs * timeScale;
        timer.set(atUs, () => attempt(call, retry + 1, draws, ended));
      }
    };
    const timeout = setTimeout(() => {
      if (!open) return;
      settle(timedOut);
      if (client?.cancels) giveUp();
    }, timeoutMs);
    const giveUp = target.send(call, settle);
  }

  return (call, ended) => attempt(call, 0, policy.arrived(), ended);
}
