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
export type CallEnded = (last: LoadAnswer, attempts: number) => void;

/** Sends a request, and retries it. */
export type Caller = (call: LoadCall, ended: CallEnded) => void;

/** Maximum of Node's timers. */
const LONGEST_MS = 2 ** 31 - 1;

export interface CallerOptions {
  readonly client: ClientDocument | undefined;
  readonly seed: string;
  readonly timeScale: number;
  readonly timer: PreciseTimer;
  /** Called with every attempt's answer. */
  readonly onAttempt: (answer: LoadAnswer) => void;
}

export function callerOf(target: LoadTarget, options: CallerOptions): Caller {
  const { client, onAttempt } = options;
  if (client !== undefined) return new RetryingCalls(target, client, options).send;
  return (call, ended) => {
    target.send(call, (answer) => {
      onAttempt(answer);
      ended(answer, 1);
    });
  };
}

class RetryingCalls {
  readonly #target: LoadTarget;
  readonly #policy: RetryPolicy;
  readonly #timeoutMs: number;
  readonly #timedOut: LoadAnswer;
  readonly #cancels: boolean;
  readonly #options: CallerOptions;

  constructor(target: LoadTarget, client: ClientDocument, options: CallerOptions) {
    this.#target = target;
    this.#policy = new RetryPolicy(client, options.seed);
    this.#timeoutMs = Math.min(client.timeoutMs * options.timeScale, LONGEST_MS);
    this.#timedOut = {
      outcome: "cancelled",
      status: "no answer in time",
      error: `no answer within ${client.timeoutMs} ms`,
    };
    this.#cancels = client.cancels;
    this.#options = options;
  }

  readonly send: Caller = (call, ended) => {
    this.#attempt(call, 0, this.#policy.arrived(), ended);
  };

  #attempt(call: LoadCall, retry: number, draws: Float64Array, ended: CallEnded): void {
    let open = true;
    const settle = (answer: LoadAnswer): void => {
      if (!open) return;
      open = false;
      clearTimeout(timeout);
      this.#options.onAttempt(answer);
      if (answer.outcome === "completed") ended(answer, retry + 1);
      else this.#failed(call, retry, draws, answer, ended);
    };
    const timeout = setTimeout(() => {
      if (!open) return;
      settle(this.#timedOut);
      if (this.#cancels) giveUp();
    }, this.#timeoutMs);
    const giveUp = this.#target.send(call, (answer) => settle(answer));
  }

  #failed(
    call: LoadCall,
    retry: number,
    draws: Float64Array,
    answer: LoadAnswer,
    ended: CallEnded,
  ): void {
    const pauseUs = this.#policy.pauseUs(retry, draws);
    if (pauseUs === null) {
      ended(answer, retry + 1);
      return;
    }
    const { timer, timeScale } = this.#options;
    timer.set(monotonicUs() + pauseUs * timeScale, () => {
      this.#attempt(call, retry + 1, draws, ended);
    });
  }
}
