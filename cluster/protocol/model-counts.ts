/** How often a model was asked, and the time that went into what: Triton's statistics. */
import type {
  BatchStatistics,
  InferPhase,
  ModelStatistics,
  StatisticDuration,
} from "./messages.ts";

/** What one request, or one batch, took; wall-clock µs. */
export interface Spent {
  /** Inputs that it had. */
  readonly size: number;
  readonly totalUs: number;
  readonly queueUs: number;
  readonly computeUs: number;
}

class Duration {
  count = 0;
  us = 0;

  add(us: number): void {
    this.count++;
    this.us += us;
  }

  report(): StatisticDuration {
    return { count: this.count, ns: Math.round(this.us * 1000) };
  }
}

const NONE: StatisticDuration = { count: 0, ns: 0 };

export class ModelCounts {
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #compute = new Duration();
  readonly #bySize = new Map<number, Duration>();
  #inferences = 0;
  #lastMs = 0;

  succeeded({ size, totalUs, queueUs, computeUs }: Spent): void {
    this.#success.add(totalUs);
    this.#queue.add(queueUs);
    this.#compute.add(computeUs);
    this.#inferences += size;
    this.#lastMs = Date.now();
    let own = this.#bySize.get(size);
    if (own === undefined) {
      own = new Duration();
      this.#bySize.set(size, own);
    }
    own.add(computeUs);
  }

  failed(totalUs: number): void {
    this.#fail.add(totalUs);
    this.#lastMs = Date.now();
  }

  report(name: string, version: string): ModelStatistics {
    const inferenceStats: Record<InferPhase, StatisticDuration> = {
      success: this.#success.report(),
      fail: this.#fail.report(),
      queue: this.#queue.report(),
      ...compute(this.#compute),
      cacheHit: NONE,
      cacheMiss: NONE,
    };
    return {
      name,
      version,
      lastInference: this.#lastMs,
      inferenceCount: this.#inferences,
      executionCount: this.#success.count,
      inferenceStats,
      batchStats: [...this.#bySize]
        .sort(([a], [b]) => a - b)
        .map(([batchSize, duration]) => ({
          batchSize,
          ...compute(duration),
        })),
    };
  }
}

/** Pre- and post-processing are steps of the model here, and part of its compute time. */
function compute(
  duration: Duration,
): Pick<BatchStatistics, "computeInput" | "computeInfer" | "computeOutput"> {
  const computeInfer = duration.report();
  const nothing = { count: computeInfer.count, ns: 0 };
  return { computeInput: nothing, computeInfer, computeOutput: nothing };
}
