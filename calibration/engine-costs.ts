/**
 * The time that an engine's worker takes around its iterations, in which nothing is computed: it plans each, and sends the
 * token of each sequence on its way. Iterations that take no time leave this alone.
 */
import { startChild } from "../cluster/processes/child.ts";
import { InferenceClient, type InferStream } from "../cluster/protocol/client.ts";
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
/** Enough to tell what each adds. */
const MOST_SEQUENCES = 16;
const READY_TIMEOUT_MS = 30_000;

/** On a worker process of its own, by one answer alone and by several at once. */
export async function engineCosts(maxSequences: number): Promise<EngineCosts> {
  const most = Math.min(maxSequences, MOST_SEQUENCES);
  const document = instantEngine(most);
  const specification: WorkerSpecification = {
    document,
    inputs: { profiles: {} },
    backend: "replay",
    seed: "calibration",
    timeScale: 1,
    host: "127.0.0.1",
    port: 0,
    replicas: Array.from({ length: most }, (_, place) => place),
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
      oneMs.push(await stepMs(stream, places.slice(0, 1)));
      allMs.push(await stepMs(stream, places.slice(0, most)));
    }
    const [one, all] = [oneMs, allMs].map((ms) => Math.min(...ms.slice(UNCOUNTED)));
    const sequenceMs = most === 1 ? 0 : Math.max(0, (all - one) / (most - 1));
    return { stepMs: Math.max(0, one - sequenceMs), sequenceMs };
  } finally {
    stream.close();
    client.close();
    await child.stop();
  }
}

/** Time of an iteration while each of the places writes an answer, by the worker's clock. */
async function stepMs(stream: InferStream, places: readonly string[]): Promise<number> {
  const us = await Promise.all(places.map((place) => answerUs(stream, place)));
  return Math.max(...us) / OUTPUT / 1000;
}

function answerUs(stream: InferStream, modelName: string): Promise<number> {
  const order = { prompt: 1, output: OUTPUT, priority: 0, client: 0, beginning: 0 };
  const contents = batchContents([Buffer.alloc(64)], [Buffer.from("{}")], null);
  const request = { modelName, id: "", parameters: orderParameters(order), ...contents };
  return new Promise((resolve, reject) => {
    const ignored = (): void => undefined;
    stream.send(
      request,
      (error, response) => {
        const us = response?.parameters?.service_us?.doubleParam;
        if (us !== undefined) resolve(us);
        else reject(new Fault("cluster-failure", `an engine gave no answer: ${error?.message}`));
      },
      ignored,
    );
  });
}

/** Its iterations take no time. */
function instantEngine(maxSequences: number): ScenarioDocument {
  const steps = { prefill: [0, 0, 0], decode: [0, 0, 0] };
  const write = { model: "writer", tokens: { prompt: 1, output: OUTPUT } };
  return scenarioSchema.parse({
    name: "calibration",
    pipelines: { calibration: { tasks: { write } } },
    models: { writer: { tokens: { steps, maxSequences } } },
    cluster: { replicas: { write: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
}
