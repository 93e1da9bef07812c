/** An engine runs a graph of tensors, here or on a server; the steps around it (`declared-model.ts`) are the same. */
import { Fault } from "../core/fault.ts";
import type { ModelProvenance } from "./task-model.ts";
import type { Tensor, TensorSpec } from "./tensor.ts";
import { isStackable, stack, unstack } from "./tensor.ts";

export interface Engine {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly provenance: ModelProvenance;
  /** One inference: a tensor for each input, in their order; gives the outputs in theirs. */
  run(feeds: readonly Tensor[]): Promise<readonly Tensor[]>;
  close(): Promise<void>;
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
export type Feeds = readonly Tensor[];

/** Throws Fault("invalid-input") for a job without rows, with unequal ones, or with more than one inference takes. */
export function checkRows(feeds: Feeds, rows: BatchRows, maxRows: number): void {
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
