/**
 * A deployment under load to which something happens every second: every call must get exactly one
 * answer, and the right one.
 *
 *   calls on absolute due times ─> persistent client ─> gateway ─> workers
 *   every second: a fault ───────────────────────────────┴──────────┘
 *   ten times a second: a look at what the gateway says of its replicas
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Deployment, startDeployment } from "../../cluster/deploy/deployment.ts";
import { InferenceClient } from "../../cluster/protocol/client.ts";
import { DEFAULT_BOUNDS, type ServiceBounds } from "../../cluster/run/specification.ts";
import { residentBytes } from "../../cluster/worker/served-command.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { selectQuantile } from "../../engine/statistics/estimate.ts";
import { fingerprintScenario, isAnswerTo, PersistentClient, PIPELINE } from "./client.ts";
import { type FaultKind, faultInjector, NetworkCuts } from "./faults.ts";

interface SoakOptions {
  readonly seconds: number;
  readonly ratePerS: number;
  readonly workers: number;
  readonly seed: string;
  readonly kinds: readonly FaultKind[];
  readonly onEvent?: (line: string) => void;
}

export type SoakResult = Awaited<ReturnType<typeof soak>>;

const HOLD_MS = 4;
/** The third is an engine's, replayed: whatever it has streamed of an answer, a call gets a whole one in the end. */
const TASKS = 3;
const BATCHING = { policy: "size-or-timeout", maxBatch: 4, waitMs: 2 };
const BOUNDS: Partial<ServiceBounds> = { batchTimeoutMs: 1000, maxQueueMs: 1500, drainMs: 4000 };
const TIMES = { attemptMs: 10_000, giveUpMs: 240_000 };
const LOOK_MS = 100;
const MOST_REASONS = 5;
/** After the last fault every replica must be up again by then. */
const RECOVERY_MS = 30_000;
/** Share of the answered calls that are asked again later: the same gateway gives the same answer. */
const ASK_AGAIN_SHARE = 0.03;
const ASK_AGAIN_MS = 8000;
/** Well within the time for which a gateway keeps an answer (`DEFAULT_BOUNDS`). */
const SURELY_KEPT_MS = 60_000;
const LARGEST_PAYLOAD = 4096;

/** Throws Fault("cluster-failure") when the deployment does not start. */
export async function soak(options: SoakOptions) {
  const { workers, kinds, seed, onEvent } = options;
  const missing = kinds.includes("cut") ? NetworkCuts.missing() : null;
  const cuts = kinds.includes("cut") && missing === null ? new NetworkCuts() : null;
  const directory = mkdtempSync(join(tmpdir(), "tandem-soak-"));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  process.once("exit", remove);
  try {
    const half = Math.floor(workers / 2);
    const deployment = await startDeployment({
      document: fingerprintScenario({
        replicas: [workers - half, half],
        holdMs: HOLD_MS,
        scheduler: { batching: BATCHING },
        writes: true,
      }),
      inputs: { profiles: {} },
      backend: "onnx",
      seed,
      replicasPerWorker: 1,
      bounds: BOUNDS,
      directory,
      ...(onEvent === undefined ? {} : { onEvent }),
    });
    try {
      const possible = kinds.filter((kind) => kind !== "cut" || cuts !== null);
      const injector = faultInjector(deployment, cuts, possible, seed);
      const run = new SoakRun(options, deployment, injector);
      // Kinds that cannot be had here, and why.
      return { ...(await run.result()), skipped: missing === null ? [] : [missing] };
    } finally {
      await deployment.stop();
    }
  } finally {
    cuts?.close();
    remove();
    process.off("exit", remove);
  }
}

type Injector = ReturnType<typeof faultInjector>;

class SoakRun {
  readonly #options: SoakOptions;
  readonly #deployment: Deployment;
  readonly #injector: Injector;
  readonly #client: PersistentClient;
  readonly #random: RandomStream;
  readonly #memory: MemorySample[] = [];
  readonly #latenciesMs: number[] = [];
  /** Why calls were given up, by what is the same in many messages. */
  readonly #reasons = new Map<string, number>();
  readonly #startMs = performance.now();
  readonly #counts = {
    calls: 0,
    /** Calls given up by their client whose last word from the gateway was a refusal: too much load. */
    refused: 0,
    /** Calls given up without such a word, or with an error that trying again does not help. */
    lost: 0,
    /** Answers that belong to another request, or to none. */
    wrong: 0,
    triedAgain: 0,
    askedAgain: 0,
  };
  #differing = 0;
  #over = false;
  #down: readonly string[] = [];

  constructor(options: SoakOptions, deployment: Deployment, injector: Injector) {
    this.#options = options;
    this.#deployment = deployment;
    this.#injector = injector;
    const client = new InferenceClient(deployment.gateway.grpc);
    this.#client = new PersistentClient(client, PIPELINE, TIMES);
    this.#random = new RandomStream(options.seed, "soak/load");
  }

  async result() {
    const looking = this.#lookOn();
    const faults = this.#injector.run(this.#options.seconds * 1000, () => this.#now());
    try {
      await this.#load();
      await faults;
      await this.#recovered();
    } finally {
      this.#over = true;
      await looking;
      this.#client.close();
    }
    return this.#summary();
  }

  #now(): number {
    return performance.now() - this.#startMs;
  }

  async #load(): Promise<void> {
    const { seconds, ratePerS } = this.#options;
    const calls: Promise<void>[] = [];
    const count = Math.round(seconds * ratePerS);
    for (let i = 0; i < count; i++) {
      const dueMs = (i * 1000) / ratePerS;
      if (dueMs > this.#now()) await sleep(dueMs - this.#now());
      calls.push(this.#call(i));
    }
    await Promise.all(calls);
  }

  async #call(i: number): Promise<void> {
    const counts = this.#counts;
    const key = `${this.#options.seed}/${i}`;
    const size = Math.floor(this.#random.uniform() * LARGEST_PAYLOAD);
    const askAgain = this.#random.uniform() < ASK_AGAIN_SHARE;
    const againMs = this.#random.uniform() * ASK_AGAIN_MS;
    const payload = Buffer.alloc(key.length + size, `${key} `);
    const sentMs = this.#now();
    counts.calls++;
    const { text, error, refused, attempts } = await this.#client.call(key, payload);
    if (attempts > 1) counts.triedAgain++;
    if (text === null) {
      if (refused) counts.refused++;
      else counts.lost++;
      const kind = error.replaceAll(/\d+(\.\d+)?/g, "n");
      this.#reasons.set(kind, (this.#reasons.get(kind) ?? 0) + 1);
      return;
    }
    this.#latenciesMs.push(this.#now() - sentMs);
    if (!isAnswerTo(payload, text, TASKS)) counts.wrong++;
    if (!askAgain) return;
    const { pid } = this.#deployment.gateway;
    await sleep(againMs);
    counts.askedAgain++;
    const again = await this.#client.call(key, payload);
    if (again.text === null) return;
    if (!isAnswerTo(payload, again.text, TASKS)) counts.wrong++;
    // A gateway that was started again computes the answer again.
    const kept = this.#deployment.gateway.pid === pid && this.#now() - sentMs < SURELY_KEPT_MS;
    if (kept && again.text !== text) this.#differing++;
  }

  /** Waits until every replica is up again, or it takes too long. */
  async #recovered(): Promise<void> {
    const giveUpMs = this.#now() + RECOVERY_MS;
    do await sleep(2 * LOOK_MS);
    while (this.#down.length > 0 && this.#now() < giveUpMs);
  }

  async #lookOn(): Promise<void> {
    for (let i = 0; !this.#over; i++) {
      const { http, pid } = this.#deployment.gateway;
      const mib = i % 10 === 0 ? residentBytes(pid) / 2 ** 20 : 0;
      if (mib > 0) this.#memory.push({ pid, atS: this.#now() / 1000, mib });
      const states = await statesOf(http);
      this.#injector.recovery.look(states, this.#now());
      this.#down = notUp(states);
      await sleep(LOOK_MS);
    }
  }

  #summary() {
    const { recovery } = this.#injector;
    const seconds = this.#now() / 1000;
    const latencies = Float64Array.from(this.#latenciesMs).sort();
    const reasons = [...this.#reasons].sort(([, a], [, b]) => b - a);
    const quantile = (q: number): number => latencies[Math.floor(q * (latencies.length - 1))] ?? 0;
    return {
      seconds,
      workers: this.#options.workers,
      ...this.#counts,
      callsPerS: this.#counts.calls / this.#options.seconds,
      /** The last words to calls given up, the most frequent first. */
      reasons: reasons.slice(0, MOST_REASONS).map(([kind, count]) => `${count} x ${kind}`),
      /** Second answers to one message, and answers that differ from an earlier one of their key. */
      answeredTwice: this.#client.surplus + this.#differing,
      latencyP50Ms: quantile(0.5),
      latencyP99Ms: quantile(0.99),
      latencyMaxMs: quantile(1),
      faults: recovery.faults,
      notBack: this.#down,
      /** Null when no gateway lived long enough to tell. */
      memory: growthOf(this.#memory),
    };
  }
}

/** Share of the longest life that is warm-up, and its least duration: until then the table of answers fills. */
const WARM_UP_SHARE = 0.3;
const LEAST_WARM_UP_S = DEFAULT_BOUNDS.keys.keepMs / 1000;
/** Shorter lives, without their warm-up, say nothing about growth. */
const LEAST_JUDGED_S = 60;

interface MemorySample {
  readonly pid: number;
  readonly atS: number;
  readonly mib: number;
}

/** Measures the longest life of a gateway; null where none was long enough, or the system does not report memory. */
function growthOf(samples: readonly MemorySample[]) {
  const length = (life: readonly MemorySample[]): number =>
    (life.at(-1)?.atS ?? 0) - (life[0]?.atS ?? 0);
  const pids = [...new Set(samples.map(({ pid }) => pid))];
  const lives = pids.map((own) => samples.filter(({ pid }) => pid === own));
  const [life = []] = lives.sort((a, b) => length(b) - length(a));
  const lifeS = length(life);
  const warmUpS = Math.max(LEAST_WARM_UP_S, WARM_UP_SHARE * lifeS);
  if (lifeS - warmUpS < LEAST_JUDGED_S) return null;
  const warm = life.filter(({ atS }) => atS >= life[0].atS + warmUpS);
  const quarter = Math.ceil(warm.length / 4);
  const beforeMib = median(warm.slice(0, quarter));
  const afterMib = median(warm.slice(-quarter));
  return {
    /** The life of this gateway process, with its warm-up, s. */
    lifeS,
    warmUpS,
    /** Medians over the first and the last quarter after warm-up. */
    beforeMib,
    afterMib,
    growthRatio: afterMib / beforeMib - 1,
  };
}

function median(samples: readonly MemorySample[]): number {
  return selectQuantile(
    Float64Array.from(samples, ({ mib }) => mib),
    0.5,
  );
}

function notUp(states: ReadonlyMap<string, string> | null): readonly string[] {
  if (states === null) return ["the gateway"];
  return [...states].flatMap(([name, state]) => (state === "up" ? [] : [name]));
}

/** By replica; null when the gateway does not answer. */
async function statesOf(http: string): Promise<ReadonlyMap<string, string> | null> {
  try {
    const answer = await fetch(`${http}/status`, { signal: AbortSignal.timeout(1000) });
    const { replicas } = (await answer.json()) as { replicas: { name: string; state: string }[] };
    return new Map(replicas.map(({ name, state }) => [name, state]));
  } catch {
    return null;
  }
}
