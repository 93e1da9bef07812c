/**
 * A task model of an engine and declared steps:
 *
 *   payload ─ image steps ─┐                             ┌─ decoders ─> labels and value
 *                          ├─> rows ─ one inference ─> outputs
 *   request's tensors ─────┘        of a whole batch     └────────────> tensors
 */
import { Fault } from "../engine/basics/fault.ts";
import type { ImplementationDocument } from "../scenario/schema/implementation.ts";
import type { Placement } from "./image.ts";
import { imageSteps } from "./image-steps.ts";
import { outputSteps } from "./output-steps.ts";
import {
  type Engine,
  settle,
  type TaskInput,
  type TaskModel,
  type TaskOutput,
} from "./task-model.ts";
import {
  checkedTensor,
  encodeBytes,
  isStackable,
  stack,
  type Tensor,
  type TensorSpec,
  unstack,
} from "./tensor.ts";

type Declaration = Pick<
  ImplementationDocument,
  "preprocess" | "postprocess" | "input" | "batching" | "maxRows"
>;

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

/** Rows of one inference: "any", or the fixed size of all first dimensions; null where the first is no batch. */
type BatchRows = number | "any" | null;

export function batchRows({ inputs, outputs }: Pick<Engine, "inputs" | "outputs">): BatchRows {
  const sizes = new Set([...inputs, ...outputs].map(({ shape }) => shape[0]));
  const [size] = sizes;
  if (sizes.size !== 1 || size === undefined) return null;
  return size === -1 ? "any" : size;
}

/** The feeds of one job; their first dimensions are the job's rows, the same in all. */
type Feeds = readonly Tensor[];

/** Throws Fault("invalid-input") for a job without rows, with unequal ones, or with more than one inference takes. */
function checkRows(feeds: Feeds, rows: BatchRows, maxRows: number): void {
  if (rows === null) return;
  const [given, ...others] = feeds.map(({ shape }) => shape[0]!);
  if (others.some((other) => other !== given)) {
    const shapes = feeds.map(({ name, shape }) => `${name} [${shape}]`).join(", ");
    throw new Fault("invalid-input", `the inputs differ in their rows: ${shapes}`, {
      hint: "the first dimension is the request's rows; a model whose is not has `batching: none`",
    });
  }
  const most = rows === "any" ? maxRows : rows;
  if (given! <= most && (rows === "any" || given! > 0)) return;
  throw new Fault(
    "invalid-input",
    `the model takes ${most} rows at a time, the request has ${given}`,
  );
}

/**
 * Runs jobs together where they fit: along the first dimension, up to `maxRows` rows in one
 * inference. A fixed number of rows is filled up with copies of the last row. Where an inference
 * of several jobs fails, each is tried alone: a bad job fails alone, its slot holds the Error.
 */
export async function runJobs(
  engine: Engine,
  jobs: readonly Feeds[],
  rows: BatchRows,
  maxRows: number,
): Promise<readonly (readonly Tensor[] | Error)[]> {
  const results = new Array<readonly Tensor[] | Error>(jobs.length);
  const limit = rows === "any" ? maxRows : (rows ?? 1);
  const groups = rows === null ? jobs.map((_, i) => [i]) : groupsOf(jobs, limit);
  for (const group of groups) {
    let outcome = await attempt(engine, group, jobs, rows);
    if (outcome instanceof Error && group.length > 1) {
      outcome = await Promise.all(
        group.map(async (job) => {
          const alone = await attempt(engine, [job], jobs, rows);
          return alone instanceof Error ? alone : alone[0]!;
        }),
      );
    }
    group.forEach((job, member) => {
      results[job] = outcome instanceof Error ? outcome : outcome[member]!;
    });
  }
  return results;
}

/** The outputs of each job of a group, or why the inference failed. */
async function attempt(
  engine: Engine,
  group: readonly number[],
  jobs: readonly Feeds[],
  rows: BatchRows,
): Promise<readonly (readonly Tensor[] | Error)[] | Error> {
  try {
    const members = group.map((i) => jobs[i]!);
    if (rows === null) return [await engine.run(members[0]!)];
    const counts = members.map((feeds) => feeds[0]!.shape[0]!);
    const total = counts.reduce((sum, count) => sum + count, 0);
    const padding = rows === "any" ? 0 : rows - total;
    const outputs = await engine.run(
      members[0]!.map((_, input) => {
        const parts = members.map((member) => member[input]!);
        return stack(padding === 0 ? parts : [...parts, ...copiesOfLastRow(parts, padding)]);
      }),
    );
    const split = outputs.map((output) => {
      checkOutputRows(output, total + padding);
      return unstack(output, counts);
    });
    return group.map((_, member) => split.map((parts) => parts[member]!));
  } catch (error) {
    if (isOfInference(error)) return error;
    throw error;
  }
}

/** Whether one inference failed. Any other error is the whole batch's, such as an absent server, and is tried elsewhere. */
export function isOfInference(error: unknown): error is Fault {
  if (!(error instanceof Fault)) return false;
  return error.code === "invalid-input" || error.code === "cluster-failure";
}

function copiesOfLastRow(parts: readonly Tensor[], count: number): readonly Tensor[] {
  const last = parts.at(-1)!;
  const row = unstack(last, [last.shape[0]! - 1, 1])[1]!;
  return Array<Tensor>(count).fill(row);
}

/** Jobs that fit into one inference each, by their numbers, in order. */
function groupsOf(jobs: readonly Feeds[], limit: number): readonly (readonly number[])[] {
  const groups: { readonly jobs: number[]; rows: number }[] = [];
  jobs.forEach((feeds, i) => {
    const rows = feeds[0]!.shape[0]!;
    const open = groups.find((group) => {
      const first = jobs[group.jobs[0]!]!;
      const fits = group.rows + rows <= limit;
      return fits && feeds.every((feed, input) => isStackable(feed, first[input]!));
    });
    if (open === undefined) {
      groups.push({ jobs: [i], rows });
    } else {
      open.jobs.push(i);
      open.rows += rows;
    }
  });
  return groups.map((group) => group.jobs);
}

function checkOutputRows({ name, shape }: Tensor, rows: number): void {
  if (shape[0] === rows) return;
  throw new Fault(
    "invalid-input",
    `output ${name} has shape [${shape}] for ${rows} rows: its first dimension is no batch`,
    { hint: "say `batching: none` in the model's implementation" },
  );
}
