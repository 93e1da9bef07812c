/** Clients of a load: each gives up an attempt after a time, and tries again after a pause. */
import { RetryPolicy } from "../../engine/arrivals/sources.ts";
import type { ClientDocument } from "../../scenario/schema/workload.ts";
import type { Clock } from "../time/clock.ts";
import type { LoadAnswer, LoadCall, LoadTarget } from "./specification.ts";

/** Called with the last attempt's answer. */
type CallEnded = (last: LoadAnswer, attempts: number) => void;

export type Caller = (call: LoadCall, ended: CallEnded) => void;

const LONGEST_MS = 2 ** 31 - 1;

interface CallerOptions {
  readonly client: ClientDocument | undefined;
  readonly seed: string;
  readonly timeScale: number;
  readonly clock: Clock;
  readonly onAttempt: (answer: LoadAnswer) => void;
}

/** The calls of a client, with its time-outs and retries; without a client, of one attempt each. */
export function callerOf(
  target: Pick<LoadTarget, "send">,
  { client, seed, timeScale, clock, onAttempt }: CallerOptions,
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
  const { timeoutMs, cancels } = client;
  const timedOut: LoadAnswer = {
    outcome: "cancelled",
    status: "no answer in time",
    error: `no answer within ${timeoutMs} ms`,
  };

  function attempt(call: LoadCall, retry: number, draws: Float64Array, ended: CallEnded): void {
    let open = true;
    const settle = (answer: LoadAnswer): void => {
      if (!open) return;
      open = false;
      stop();
      onAttempt(answer);
      const pauseUs = answer.outcome === "completed" ? null : policy.pauseUs(retry, draws);
      if (pauseUs === null) ended(answer, retry + 1);
      else {
        const atUs = clock.nowUs() + pauseUs * timeScale;
        clock.set(atUs, () => attempt(call, retry + 1, draws, ended));
      }
    };
    const expire = (): void => {
      settle(timedOut);
      if (cancels) giveUp();
    };
    const stop = clock.after(Math.min(timeoutMs * timeScale, LONGEST_MS), expire);
    const giveUp = target.send(call, settle);
  }

  return (call, ended) => attempt(call, 0, policy.arrived(), ended);
}
