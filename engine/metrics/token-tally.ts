/** The tokens that language models wrote in a run: first ones, time per token, and the memory of their engines. */
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import type { System } from "../system/system.ts";
import { writesLast } from "../system/writers.ts";
import type { TokenEngine } from "../tokens/token-engine.ts";
import type { ByMetric } from "./figures.ts";

type Jobs = Pick<Dispatcher, "requests" | "system">;

/** What an engine has done in some time: preemptions, µs of iterations, and these times the share of blocks in use. */
export interface EngineUse {
  readonly preemptions: number;
  readonly busyUs: number;
  readonly usedUs: number;
  /** Wall-clock time of a real engine's iterations, and the time that its step profile says of them, µs; 0 where times are replayed. */
  readonly ranUs: number;
  readonly profiledUs: number;
}

export class TokenTally {
  readonly #warmupUs: number;
  /** Of requests that arrived in the window, by the task that wrote last for their clients. */
  readonly #ttft: LatencyStore;
  readonly #tpot: LatencyStore;
  #tokens = 0;
  readonly #preemptions = new Map<TokenEngine, number>();
  #preemptedElsewhere = 0;
  #usedUs = 0;
  #busyUs = 0;
  #ranUs = 0;
  #profiledUs = 0;
  readonly #writers: readonly (readonly boolean[])[];
  readonly #pipelines: System["pipelines"];
  /** Requests in the system whose first token, or the rest, came too late. */
  readonly #late = new Set<number>();

  /** Keeps at most so many times exactly; default: millions. */
  constructor({ pipelines }: System, warmupUs: number, mostExact?: number) {
    this.#ttft = new LatencyStore(mostExact);
    this.#tpot = new LatencyStore(mostExact);
    this.#pipelines = pipelines;
    this.#warmupUs = warmupUs;
    this.#writers = pipelines.map(({ tasks }) => tasks.map(writesLast));
  }

  /** A job has its last token. TPOT is of the tokens after the first. */
  wrote({ requests }: Jobs, job: number, firstUs: number, lastUs: number, tokens: number): void {
    const request = requests.requestOf(job);
    const arrivedUs = requests.arrivedUs[request];
    const pipeline = requests.pipeline[request];
    if (arrivedUs >= this.#warmupUs) this.#tokens += tokens;
    if (!this.#writers[pipeline][requests.taskOf(job)]) return;
    const firstAfterUs = firstUs - arrivedUs;
    const eachUs = tokens === 1 ? 0 : (lastUs - firstUs) / (tokens - 1);
    const { ttftUs, tpotUs } = this.#pipelines[pipeline];
    if (firstAfterUs > ttftUs || eachUs > tpotUs) this.#late.add(request);
    if (arrivedUs < this.#warmupUs) return;
    this.#ttft.add(firstAfterUs);
    if (tokens > 1) this.#tpot.add(eachUs);
  }

  /** A request ends: whether it missed its SLO by a token. */
  wasLate(request: number): boolean {
    return this.#late.delete(request);
  }

  /** An iteration of so many µs begins. */
  iterated(engine: TokenEngine, us: number): void {
    this.#preemptions.set(engine, engine.preemptions);
    this.#busyUs += us;
    this.#usedUs += us * (1 - engine.freeBlocks / engine.blocks);
  }

  /** An engine in another process has run so since it was last heard of. */
  ranElsewhere({ preemptions, busyUs, usedUs, ranUs, profiledUs }: EngineUse): void {
    this.#preemptedElsewhere += preemptions;
    this.#ranUs += ranUs;
    this.#profiledUs += profiledUs;
    this.#busyUs += busyUs;
    this.#usedUs += usedUs;
  }

  metrics(windowUs: number, requests: number): ByMetric<number> {
    const here = [...this.#preemptions.values()].reduce((sum, count) => sum + count, 0);
    const preemptions = here + this.#preemptedElsewhere;
    const [ttft, tpot] = [this.#ttft, this.#tpot].map(meanAndP99);
    return {
      ...(ttft === null ? {} : { ttftMeanMs: ttft.meanMs, ttftP99Ms: ttft.p99Ms }),
      ...(tpot === null ? {} : { tpotMeanMs: tpot.meanMs, tpotP99Ms: tpot.p99Ms }),
      tokensPerS: (this.#tokens / windowUs) * 1e6,
      kvUseRatio: this.#busyUs === 0 ? 0 : this.#usedUs / this.#busyUs,
      preemptionsPerRequest: requests === 0 ? 0 : preemptions / requests,
      ...(this.#profiledUs === 0 ? {} : { iterationTimeRatio: this.#ranUs / this.#profiledUs }),
    };
  }
}

function meanAndP99(
  store: LatencyStore,
): { readonly meanMs: number; readonly p99Ms: number } | null {
  if (store.count === 0) return null;
  const [p99Us] = store.quantilesUs([0.99]);
  return { meanMs: store.sumUs / store.count / 1000, p99Ms: p99Us / 1000 };
}
