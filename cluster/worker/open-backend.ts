/**
 * Opens the backend of a replica: replayed times, a model on the worker's own event loop, or a model in
 * a thread of its own.
 */
import { Worker } from "node:worker_threads";
import { assert, Fault } from "../../engine/basics/fault.ts";
import { Sampler } from "../../engine/random/sampler.ts";
import type { PrefixTerms, ReplicaSystem, System } from "../../engine/system/system.ts";
import { openImplementation } from "../../models/registry.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { MeasuredInputs } from "../../scenario/compile/compile.ts";
import type { ImplementationDocument } from "../../scenario/schema/implementation.ts";
import { backendOf, replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { entryPoint } from "../processes/link.ts";
import type { ModelState } from "../protocol/hosted-models.ts";
import type { JobResult } from "../protocol/tensors.ts";
import { machineClock, monotonicUs, type PreciseTimer } from "../time/clock.ts";
import { type Backend, type Batch, type BatchResult, runJobs } from "./backend.ts";
import { EngineHost, type Steps } from "./engine-host.ts";
import { externalWriter } from "./external-writer.ts";
import type { ReplicaOptions } from "./hosted-replica.ts";
import { llamaSteps } from "./llama-steps.ts";
import type { ThreadAnswer, ThreadOrder, ThreadSpecification } from "./model-thread.ts";
import { replayedSteps } from "./replayed-steps.ts";

export interface BackendSettings {
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly backend: BackendName;
  readonly seed: string;
  /** Factor of replayed times. */
  readonly timeScale: number;
  /** Folder of prepared models; default: the model store's own. */
  readonly cacheDir?: string | undefined;
}

const PLATFORMS = {
  onnx: "onnxruntime_onnx",
  external: "tandem_external",
  process: "tandem_process",
} as const;

/** `id` is the replica's number in the system; `stages`: the devices of its pipeline, in order. */
export function backendFor(
  { document, inputs, backend, seed, timeScale, cacheDir }: BackendSettings,
  system: System,
  id: number,
  timer: PreciseTimer,
  stages: readonly StageDevice[] | null,
): Pick<ReplicaOptions, "platform" | "open"> {
  const replica = system.replicas[id];
  const { model } = system.pools[replica.pool];
  if (replays(backend)) {
    const loadUs = system.models.find(({ name }) => name === model)?.loadUs ?? 0;
    const open = async () => replayBackend(replica, { seed, timeScale, timer, loadUs, stages });
    return { platform: "tandem_replay", open };
  }
  const implementation = document.models[model].implementation;
  if (implementation === undefined) {
    throw new Fault("invalid-input", `model ${model} names no implementation to run for real`, {
      hint: `give models.${model}.implementation, or use the replay backend`,
    });
  }
  if (stages !== null && stages.length > 1) {
    throw new Fault(
      "invalid-input",
      `a real model runs on one device, ${replica.name} is on more`,
      {
        hint: "`slots` of one device in cluster.placement, or the replay backend",
      },
    );
  }
  const folder = inputs.folder ?? process.cwd();
  // Declared by the model: it never blocks.
  const isInline =
    implementation.name === "no-op" && Number(implementation.parameters.inline) === 1;
  const thread = { model, implementation, folder, cacheDir: cacheDir ?? null };
  return {
    platform: PLATFORMS[backendOf(implementation)],
    open: (changed) =>
      isInline ? inlineBackend(implementation, folder) : threadBackend(thread, changed),
  };
}

/** Opens a place of the engine of a device slot; the first opens the engine. Null where no replica of the slot is one. */
export function placesOn(
  { document, backend, timeScale, inputs }: BackendSettings,
  system: System,
  slot: number,
  timer: PreciseTimer,
): (Pick<ReplicaOptions, "platform" | "open"> & { readonly pool: number }) | null {
  const { sharing } = system.devices[slot];
  if (sharing?.kind !== "iterations") return null;
  const clock = machineClock(timer);
  const { pool } = sharing;
  const { llama, external } = document.models[system.pools[pool].model].tokens ?? {};
  const isReal = backend === "engines";
  if (isReal && external !== undefined) {
    return { pool, platform: "openai_completions", open: () => externalWriter(external) };
  }
  const steps = async (): Promise<Steps> => {
    if (!isReal) return replayedSteps(sharing.stepTimes, timeScale, clock);
    assert(llama !== undefined, "the backend's check has seen weights");
    return llamaSteps(llama, sharing.limits, inputs.folder ?? ".", clock);
  };
  const prefixOf = prefixesOf(system, pool);
  let engine: Promise<EngineHost> | null = null;
  const opened = (): Promise<EngineHost> => {
    const closed = (): void => {
      engine = null;
    };
    engine ??= steps().then(
      (own) => {
        const profile = isReal ? { profile: sharing.stepTimes } : {};
        return new EngineHost(sharing, own, clock, { closed, prefixOf, ...profile });
      },
      (error: unknown) => {
        closed();
        throw error;
      },
    );
    return engine;
  };
  return {
    pool,
    platform: isReal ? "llama_cpp" : "tandem_replay",
    open: async () => (await opened()).place(),
  };
}

/** By pipeline, what prompts of its task in the pool begin with. */
export function prefixesOf({ pipelines }: System, pool: number) {
  return (pipeline: number): PrefixTerms | null =>
    pipelines[pipeline]?.tasks.find((task) => task.pool === pool)?.tokens?.prefix ?? null;
}

/** Longest wait during warm-up: enough to use the timer. */
const WARM_UP_US = 2000;
const OUTPUT: JobResult = { text: Buffer.from('{"labels":[],"value":null}'), tensors: [] };

/** A device of a pipeline: batches hold it one after the other, in order of coming. */
export class StageDevice {
  #last: Promise<void> = Promise.resolve();

  /** Resolves once the device is free, with a function that frees it again. */
  enter(): Promise<() => void> {
    const before = this.#last;
    return new Promise((entered) => {
      this.#last = new Promise((free) => void before.then(() => entered(free)));
    });
  }
}

interface ReplayOptions {
  readonly seed: string;
  readonly timeScale: number;
  readonly timer: PreciseTimer;
  readonly loadUs: number;
  readonly stages: readonly StageDevice[] | null;
}

/**
 * Waits the time of a measured profile, or of an assumed distribution, on the precise timer, and reports it: by how much
 * the timer is late counts as the message's way, which pilots measure. On a pipeline it waits equal parts of it, one on
 * each device, and reports the time that passed.
 */
function replayBackend(replica: ReplicaSystem, options: ReplayOptions): Backend {
  const { service } = replica;
  const { seed, timeScale, timer, loadUs, stages } = options;
  let stop = (): void => undefined;
  const passes = (untilUs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const alarm = timer.set(untilUs, resolve);
      stop = () => {
        timer.cancel(alarm);
        reject(new Error("the batch was stopped"));
      };
    });
  const own = new Sampler(service.shape, seed, `service/${replica.name}`);
  return {
    inputs: null,
    outputs: null,
    provenance: null,
    cost: { loadMs: 0, memoryBytes: 0 },
    async run(batch: Batch): Promise<BatchResult> {
      let startUs = monotonicUs();
      const variate = batch.variate ?? (batch.warmUp ? 0 : own.next());
      const sampledUs = service.sampleUs(variate, batch.jobs.length);
      const serviceUs = batch.warmUp ? Math.min(sampledUs, WARM_UP_US / timeScale) : sampledUs;
      if (stages === null) await passes(startUs + serviceUs * timeScale);
      for (const [stage, device] of (stages ?? []).entries()) {
        const free = await device.enter();
        if (stage === 0) startUs = monotonicUs();
        const partUs = (serviceUs * timeScale) / (stages?.length ?? 1);
        await passes(monotonicUs() + partUs).finally(free);
      }
      const outputs = new Array<JobResult>(batch.jobs.length).fill(OUTPUT);
      const passedUs = stages === null ? serviceUs * timeScale : monotonicUs() - startUs;
      return { outputs, serviceUs: passedUs };
    },
    stop: () => stop(),
    async load(): Promise<void> {
      await timer.until(monotonicUs() + loadUs * timeScale);
    },
    close: async () => undefined,
  };
}

async function inlineBackend(
  implementation: ImplementationDocument,
  folder: string,
): Promise<Backend> {
  const startUs = monotonicUs();
  const opened = await openImplementation(implementation, { folder });
  const { inputs, outputs, provenance } = opened;
  const cost = { loadMs: (monotonicUs() - startUs) / 1000, memoryBytes: 0 };
  const run: Backend["run"] = ({ jobs }) => runJobs(opened, { jobs });
  return { inputs, outputs, provenance, cost, run, close: () => opened.close() };
}

/** Longer than a served command's grace period. */
const CLOSE_MS = 5000;

/** In a warm-up the model itself runs for one batch in so many. */
const REHEARSED = 8;

/**
 * In a warm-up most batches are answered as the model answered one of their size before. Code of gateway, workers and
 * clients is compiled over thousands of requests, for which models take minutes.
 */
function rehearsing(run: (batch: Batch) => Promise<BatchResult>): Backend["run"] {
  const kept = new Map<number, BatchResult>();
  let rehearsed = 0;
  return async (batch) => {
    if (!batch.warmUp) {
      kept.clear();
      return run(batch);
    }
    const size = batch.jobs.length;
    const known = ++rehearsed % REHEARSED > 0 ? kept.get(size) : undefined;
    if (known !== undefined) return known;
    const result = await run(batch);
    kept.set(size, result);
    return result;
  };
}

/** Resolves once the model is loaded. Rejects with Fault("cluster-failure"). */
async function threadBackend(
  specification: ThreadSpecification,
  changed: (state: ModelState) => void,
): Promise<Backend> {
  const thread = new Worker(entryPoint("worker/model-thread"), { workerData: specification });
  const nextAnswer = answersOf(thread, changed);
  const loaded = await nextAnswer();
  if (loaded.kind !== "ready") {
    await thread.terminate();
    const { message, hint } = loaded.kind === "failed" ? loaded : { message: "", hint: undefined };
    const what = `model ${specification.model} did not load: ${message}`;
    throw new Fault("cluster-failure", what, { hint });
  }
  let closing = false;
  thread.once("exit", (code) => {
    if (closing) return;
    // A worker without its model is useless; its parent starts another.
    process.stderr.write(`the thread of model ${specification.model} ended with ${code}\n`);
    process.exit(1);
  });
  const called = async (batch: Batch): Promise<BatchResult> => {
    const answer = nextAnswer();
    postBatch(thread, batch);
    return resultOf(await answer);
  };
  return {
    ...loaded.model,
    run: rehearsing(called),
    close: async () => {
      closing = true;
      const closed = nextAnswer().catch(() => undefined);
      thread.postMessage({ kind: "close" } satisfies ThreadOrder);
      const patience = new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref());
      await Promise.race([closed, patience]);
      await thread.terminate();
    },
  };
}

/** Waits for the thread's answers, one at a time. Rejects with Fault("cluster-failure"). */
function answersOf(
  thread: Worker,
  changed: (state: ModelState) => void,
): () => Promise<ThreadAnswer> {
  let resolve: (answer: ThreadAnswer) => void = () => undefined;
  let reject: (fault: Fault) => void = () => undefined;
  thread.on("message", (answer: ThreadAnswer) => {
    if (answer.kind === "state") changed(answer.state);
    else resolve(answer);
  });
  const fail = (message: string): void => reject(new Fault("cluster-failure", message));
  thread.on("error", (error) => fail(`the model's thread failed: ${error.message}`));
  thread.on("exit", () => fail("the model's thread ended"));
  return () =>
    new Promise((...settle) => {
      [resolve, reject] = settle;
    });
}

function postBatch(thread: Worker, { jobs, busyUs }: Batch): void {
  // Copies, because transferring a view would transfer its whole message.
  const buffers: ArrayBuffer[] = [];
  const own = (bytes: Uint8Array): Uint8Array => {
    const copy = new Uint8Array(bytes);
    buffers.push(copy.buffer);
    return copy;
  };
  const ownTensors = (tensors: readonly Tensor[]) =>
    tensors.map((tensor) => ({ ...tensor, raw: own(tensor.raw) }));
  const owned = jobs.map(({ payload, upstream, tensors, upstreamTensors }) => ({
    payload: own(payload),
    upstream: own(upstream),
    tensors: ownTensors(tensors),
    upstreamTensors: Object.fromEntries(
      Object.entries(upstreamTensors).map(([task, given]) => [task, ownTensors(given)]),
    ),
  }));
  const batch = { jobs: owned, busyUs };
  thread.postMessage({ kind: "run", batch } satisfies ThreadOrder, buffers);
}

function resultOf(answer: ThreadAnswer): BatchResult {
  if (answer.kind === "done") return answer;
  if (answer.kind !== "failed") throw new Error("the model answered out of turn");
  const { message, code, hint } = answer;
  if (code === undefined) throw new Error(`the model failed: ${message}`);
  throw new Fault(code, message, { hint });
}
