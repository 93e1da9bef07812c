/** The retries of clients: attempts, pauses, and a budget that all clients share. */
import { power } from "../random/elementary-functions.ts";
import { RandomStream } from "../random/stream.ts";
import type { ClientDocument } from "../scenario/schema/workload.ts";

export class RetryPolicy {
  readonly #jitter: RandomStream | null;
  #tokens: number;

  constructor(
    private readonly client: ClientDocument,
    seed: string,
  ) {
    const random = client.jitter > 0 && client.retries > 0;
    this.#jitter = random ? new RandomStream(seed, "client/jitter") : null;
    this.#tokens = client.retryBudget?.burst ?? Number.POSITIVE_INFINITY;
  }

  /** The draws of a request, one for each retry, made at its arrival. */
  arrived(): Float64Array {
    const { retries, retryBudget } = this.client;
    if (retryBudget !== undefined) {
      this.#tokens = Math.min(retryBudget.burst, this.#tokens + retryBudget.ratio);
    }
    const draws = new Float64Array(retries);
    this.#jitter?.fillUniform(draws);
    return draws;
  }

  /** Pause before retry n (from 0), µs; null: the client gives up. Each pause takes from the budget. */
  pauseUs(retry: number, draws: Float64Array): number | null {
    const { retries, backoffMs, backoffFactor, maxBackoffMs, jitter } = this.client;
    if (retry >= retries || this.#tokens < 1) return null;
    this.#tokens--;
    const wholeMs = Math.min(
      backoffMs * power(backoffFactor, retry),
      maxBackoffMs ?? backoffMs * 1e30,
    );
    return Math.round(wholeMs * 1000 * (1 - jitter * draws[retry]));
  }
}
