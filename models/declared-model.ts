/**
 * A task model of an engine and declared steps:
 *
 *   payload ─ image steps ─┐                             ┌─ decoders ─> labels and value
 *                          ├─> rows ─ one inference ─> outputs
 *   request's tensors ─────┘        of a whole batch     └────────────> tensors
 */
import { Fault } from "../core/fault.ts";
import type { ImplementationDocument } from "../core/scenario/schema/implementation.ts";
import { batchRows, checkRows, type Engine, type Feeds, runJobs } from "./engine.ts";
import type { Placement } from "./image.ts";
import { imageSteps } from "./image-steps.ts";
import { outputSteps } from "./output-steps.ts";
import { settle, type TaskInput, type TaskModel, type TaskOutput } from "./task-model.ts";
import { checkedTensor, encodeBytes, type Tensor, type TensorSpec } from "./tensor.ts";

export type Declaration = Pick<
  ImplementationDocument,
  "preprocess" | "postprocess" | "input" | "batching" | "maxRows"
>;

/** One job, ready for the engine. */
interface Prepared {
  readonly feeds: Feeds;
  readonly placement: Placement | null;
}

/** More rows than any batch of the scheduler's. */
const UNBOUNDED = Number.POSITIVE_INFINITY;

/** Opens a declared model, or closes the engine. `folder` is where paths start. Throws a Fault for steps that do not fit. */
export async function openDeclaredModel(
  engine: Engine,
  declaration: Declaration,
  folder: string,
): Promise<TaskModel> {
  try {
    return await declaredModel(engine, declaration, folder);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

async function declaredModel(
  engine: Engine,
  { preprocess = [], postprocess = [], input, batching, maxRows = UNBOUNDED }: Declaration,
  folder: string,
): Promise<TaskModel> {
  const prepare =
    preprocess.length === 0
      ? async (job: TaskInput) => ({ feeds: tensorFeeds(engine, job), placement: null })
      : pictureFeeds(engine, preprocess, input);
  const finish = await outputSteps(postprocess, engine.outputs, folder);
  const rows = batching === "none" ? null : batchRows(engine);
  return {
    provenance: engine.provenance,
    inputs: preprocess.length === 0 ? engine.inputs : null,
    outputs: postprocess.length === 0 ? engine.outputs : null,
    async run(batch) {
      const prepared = await settle(batch, async (job) => {
        const ready = await prepare(job);
        checkRows(ready.feeds, rows, maxRows);
        return ready;
      });
      const jobs = prepared.filter((job): job is Prepared => !(job instanceof Error));
      const results = await runJobs(
        engine,
        jobs.map(({ feeds }) => feeds),
        rows,
        maxRows,
      );
      let next = 0;
      return settle(prepared, async (job): Promise<TaskOutput> => {
        if (job instanceof Error) throw job;
        const outputs = results[next++]!;
        if (outputs instanceof Error) throw outputs;
        return finish(outputs, job.placement);
      });
    },
    close: () => engine.close(),
  };
}

function pictureFeeds(
  engine: Engine,
  preprocess: NonNullable<Declaration["preprocess"]>,
  wanted: string | undefined,
): (job: TaskInput) => Promise<Prepared> {
  const { inputs } = engine;
  const spec = inputs.find(({ name }) => name === wanted) ?? inputs[0];
  const isClear = wanted === undefined ? inputs.length === 1 : spec?.name === wanted;
  if (spec === undefined || !isClear || inputs.length > 1) {
    const names = inputs.map(({ name }) => name).join(", ");
    throw new Fault("invalid-input", `the model has the inputs ${names}; a picture fills one`, {
      hint: "without `preprocess` the request's tensors fill all of them",
    });
  }
  const steps = imageSteps(preprocess, spec);
  return async (job) => {
    const { tensor, placement } = await steps(job);
    return { feeds: [tensor], placement };
  };
}

/** A tensor for each input: an output of a task before, the nearest first, or the request's own. */
function tensorFeeds({ inputs }: Engine, { tensors = [], payload, upstream }: TaskInput): Feeds {
  const before = Object.values(upstream).flatMap((output) => output.tensors ?? []);
  const given = [...before, ...tensors];
  const [only, ...others] = before.length === 0 ? tensors : before;
  return inputs.map((spec) => {
    const found = given.find(({ name }) => name === spec.name);
    if (found !== undefined) return checkedTensor(fitting(found, spec));
    if (only !== undefined && others.length === 0 && inputs.length === 1) {
      return checkedTensor(fitting({ ...only, name: spec.name }, spec));
    }
    const asBytes = bytesFeed(spec, inputs.length, payload);
    if (asBytes !== null) return asBytes;
    const names = given.map(({ name }) => name).join(", ") || "none";
    throw new Fault("invalid-input", `the input ${spec.name} is missing; given: ${names}`, {
      hint: `send a tensor ${spec.name}, ${spec.datatype} [${spec.shape}]`,
    });
  });
}

/** A payload of bytes is the one element of a model's only input, if that takes BYTES. */
function bytesFeed(spec: TensorSpec, inputs: number, payload: Uint8Array): Tensor | null {
  if (inputs !== 1 || spec.datatype !== "BYTES" || payload.length === 0) return null;
  const shape = spec.shape.map(() => 1);
  return { name: spec.name, datatype: "BYTES", shape, raw: encodeBytes([payload]) };
}

/** The engine judges a shape without dimensions: a single number's, or one that the file does not say. */
function fitting(tensor: Tensor, { name, datatype, shape }: TensorSpec): Tensor {
  const fits =
    tensor.datatype === datatype &&
    (shape.length === 0 ||
      (tensor.shape.length === shape.length &&
        tensor.shape.every((size, i) => shape[i] === -1 || size === shape[i] || i === 0)));
  if (fits) return tensor;
  const got = `${tensor.datatype} [${tensor.shape}]`;
  throw new Fault("invalid-input", `input ${name} takes ${datatype} [${shape}], got ${got}`, {
    hint: "-1 is any size",
  });
}
