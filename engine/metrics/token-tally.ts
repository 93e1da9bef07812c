/** The tokens that language models wrote in a run: first ones, time per token, and the memory of their engines. */
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { JOB } from "../dispatch/request-table.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import type { System } from "../system/system.ts";
import { followersOf, mayWriteLast } from "../system/writers.ts";
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

/** What language models wrote for a request's client; times in µs of the scenario. */
export interface Written {
  readonly promptTokens: number;
  readonly tokens: number;
  /** From the request's arrival to the first token, or to all of a text that comes whole. */
  readonly ttftUs: number;
  /** Each token after it took so long; 0 where none follows. */
  readonly tpotUs: number;
}

/** A job's, with the instants of its first token and its last. */
interface Text {
  readonly promptTokens: number;
  readonly tokens: number;
  readonly firstUs: number;
  readonly lastUs: number;
}

export class TokenTally {
  readonly #warmupUs: number;
  /** Of completed requests that arrived in the window, as their latencies are. */
  readonly #ttft: LatencyStore;
  readonly #tpot: LatencyStore;
  #tokens = 0;
  readonly #preemptions = new Map<TokenEngine, number>();
  #preemptedElsewhere = 0;
  #usedUs = 0;
  #busyUs = 0;
  #ranUs = 0;
  #profiledUs = 0;
  /** By pipeline: tasks that may write last, and those that wait for their ends. */
  readonly #writers: readonly ReadonlyMap<number, readonly number[]>[];
  readonly #pipelines: System["pipelines"];
  /** By job of such a task, of requests in the system. */
  readonly #texts = new Map<number, Written>();

  /** Keeps at most so many times exactly; default: millions. */
  constructor({ pipelines }: System, warmupUs: number, mostExact?: number) {
    this.#ttft = new LatencyStore(mostExact);
    this.#tpot = new LatencyStore(mostExact);
    this.#pipelines = pipelines;
    this.#warmupUs = warmupUs;
    this.#writers = pipelines.map(({ tasks }) => {
      const writers = [...tasks.keys()].filter((task) => mayWriteLast(tasks, task));
      return new Map(writers.map((task) => [task, followersOf(tasks, task)]));
    });
  }

  /** A job has its last token. */
  wrote({ requests }: Jobs, job: number, { firstUs, lastUs, tokens, promptTokens }: Text): void {
    const request = requests.requestOf(job);
    const arrivedUs = requests.arrivedUs[request];
    if (arrivedUs >= this.#warmupUs) this.#tokens += tokens;
    const writers = this.#writers[requests.pipeline[request]];
    const followers = writers.get(requests.taskOf(job));
    if (followers === undefined || !requests.isOpen(request)) return;
    // A text that others may follow reaches the client at its end, when they are known to be skipped.
    const isWhole = followers.length > 0;
    const ttftUs = (isWhole ? lastUs : firstUs) - arrivedUs;
    const tpotUs = isWhole || tokens === 1 ? 0 : (lastUs - firstUs) / (tokens - 1);
    this.#texts.set(job, { promptTokens, tokens, ttftUs, tpotUs });
  }

  /** A request ends: what its client reads, where that is a text. */
  ended({ requests }: Jobs, request: number): Written | null {
    const base = request << requests.shift;
    let read: Written | null = null;
    for (const [task, followers] of this.#writers[requests.pipeline[request]]) {
      const text = this.#texts.get(base + task);
      if (text === undefined) continue;
      this.#texts.delete(base + task);
      if (followers.every((other) => requests.state[base + other] === JOB.skipped))
        read = read === null ? text : together(read, text);
    }
    return read;
  }

  /** Whether its first token, or the rest, came later than the SLO allows. */
  isLate(pipeline: number, written: Written | null): boolean {
    if (written === null) return false;
    const { ttftUs, tpotUs } = this.#pipelines[pipeline];
    return written.ttftUs > ttftUs || written.tpotUs > tpotUs;
  }

  /** A client has its answer. */
  completed(arrivedUs: number, written: Written | null): void {
    if (written === null || arrivedUs < this.#warmupUs) return;
    this.#ttft.add(written.ttftUs);
    if (written.tpotUs > 0) this.#tpot.add(written.tpotUs);
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

/** Texts of one request: it waits for the first token of any, and for the slowest. */
function together(one: Written, other: Written): Written {
  return {
    promptTokens: one.promptTokens + other.promptTokens,
    tokens: one.tokens + other.tokens,
    ttftUs: Math.min(one.ttftUs, other.ttftUs),
    tpotUs: Math.max(one.tpotUs, other.tpotUs),
  };
}

function meanAndP99(
  store: LatencyStore,
): { readonly meanMs: number; readonly p99Ms: number } | null {
  if (store.count === 0) return null;
  const [p99Us] = store.quantilesUs([0.99]);
  return { meanMs: store.sumUs / store.count / 1000, p99Ms: p99Us / 1000 };
}
