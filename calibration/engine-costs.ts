/**
 * The time that an engine's worker takes around its iterations, in which nothing is computed: it plans each, and sends the
 * token of each sequence on its way. Replayed iterations leave this to its processor alone.
 */
import { startChild } from "../cluster/processes/child.ts";
import { InferenceClient, type InferStream } from "../cluster/protocol/client.ts";
import type { ModelConfig } from "../cluster/protocol/hosted-models.ts";
import { orderParameters } from "../cluster/protocol/messages.ts";
import { batchContents } from "../cluster/protocol/tensors.ts";
import type { WorkerReady, WorkerSpecification } from "../cluster/worker/main.ts";
import { Fault } from "../engine/basics/fault.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";

export interface EngineCosts {
  readonly stepMs: number;
  readonly sequenceMs: number;
}

/** Iterations of a pass; the first passes, of code that is not compiled yet, do not count. */
const OUTPUT = 300;
const PASSES = 6;
const UNCOUNTED = 2;
/** Enough to tell what each adds from chance. */
const SEQUENCES = 64;
const READY_TIMEOUT_MS = 30_000;

/** On a worker process of its own, by one answer alone and by several at once. */
export async function engineCosts(): Promise<EngineCosts> {
  const document = replayedEngine();
  const specification: WorkerSpecification = {
    document,
    inputs: { profiles: {} },
    backend: "replay",
    seed: "calibration",
    timeScale: 1,
    host: "127.0.0.1",
    port: 0,
    replicas: Array.from({ length: SEQUENCES }, (_, place) => place),
  };
  const places = compileSystem(document, { profiles: {} }).replicas.map(({ name }) => name);
  const child = await startChild<WorkerReady>({
    name: "worker of an engine",
    entry: "worker/main",
    specification,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  const client = new InferenceClient(`127.0.0.1:${child.ready.port}`);
  const stream = client.openStream({ ended: () => undefined });
  try {
    const oneMs: number[] = [];
    const allMs: number[] = [];
    for (let pass = 0; pass < PASSES; pass++) {
      oneMs.push(await stepMs(client, stream, places.slice(0, 1)));
      allMs.push(await stepMs(client, stream, places.slice(0, SEQUENCES)));
    }
    const [one, all] = [oneMs, allMs].map((ms) => Math.min(...ms.slice(UNCOUNTED)));
    const sequenceMs = Math.max(0, (all - one) / (SEQUENCES - 1));
    return { stepMs: Math.max(0, one - sequenceMs), sequenceMs };
  } finally {
    stream.close();
    client.close();
    await child.stop();
  }
}

/** The processor's time of an iteration while each of the places writes an answer. */
async function stepMs(
  client: InferenceClient,
  stream: InferStream,
  places: readonly string[],
): Promise<number> {
  const before = await processorS(client, places[0]);
  await Promise.all(places.map((place) => answered(stream, place)));
  return (1000 * ((await processorS(client, places[0])) - before)) / OUTPUT;
}

/** Processor time of the worker since its start: messages may go out after the iteration that made them. */
async function processorS(client: InferenceClient, name: string): Promise<number> {
  const { config } = await client.ask<{ config: ModelConfig }>("ModelConfig", { name });
  return Number(config.parameters.process_cpu_seconds_total.string_value);
}

function answered(stream: InferStream, modelName: string): Promise<void> {
  const order = { prompt: 1, output: OUTPUT, priority: 0, client: 0, beginning: 0 };
  const contents = batchContents([Buffer.alloc(64)], [Buffer.from("{}")], null);
  const request = { modelName, id: "", parameters: orderParameters(order), ...contents };
  return new Promise((resolve, reject) => {
    const ignored = (): void => undefined;
    stream.send(
      request,
      (error) => {
        if (error === null) resolve();
        else reject(new Fault("cluster-failure", `an engine gave no answer: ${error.message}`));
      },
      ignored,
    );
  });
}

/** Its iterations take so long that their tokens go out one by one, and are too close for the timer to spin. */
function replayedEngine(): ScenarioDocument {
  const steps = { prefill: [1, 0, 0], decode: [1, 0, 0] };
  const write = { model: "writer", tokens: { prompt: 1, output: OUTPUT } };
  return scenarioSchema.parse({
    name: "calibration",
    pipelines: { calibration: { tasks: { write } } },
    models: { writer: { tokens: { steps, maxSequences: SEQUENCES } } },
    cluster: { replicas: { write: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
}
