/** A scenario takes from the rows of its trace: sizes, lengths of prompts and outputs, conditions. */
import { assert } from "../../engine/basics/fault.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import type { TokenLengthTerms } from "../../engine/system/system.ts";
import type { TraceColumn, TraceColumns } from "../reading/trace-columns.ts";
import type { TaskDocument, WorkloadDocument } from "../schema/scenario.ts";
import type { LengthsDocument } from "../schema/tokens.ts";

export interface Traces {
  /** By path as written, then by column. */
  readonly traceColumns?: Readonly<Record<string, TraceColumns>> | undefined;
}

/** The columns of the trace that a workload replays; of all traces where a pilot's arrivals stand for it. */
export function columnsOf(workload: WorkloadDocument, { traceColumns = {} }: Traces): TraceColumns {
  if (workload.arrivals === "trace") return traceColumns[workload.file] ?? {};
  return Object.assign({}, ...Object.values(traceColumns));
}

/** The input sizes of a workload that replays a trace with sizes; else null. */
export function traceSizesOf(workload: WorkloadDocument, inputs: Traces): readonly number[] | null {
  if (workload.arrivals !== "trace" || workload.sizeColumn === undefined) return null;
  return (columnsOf(workload, inputs)[workload.sizeColumn] as readonly number[]) ?? null;
}

/** A condition by column has the share of rows for which it holds. */
export function conditionOf({ when }: TaskDocument, columns: TraceColumns) {
  const rows = (columns[when?.column ?? ""] ?? null) as readonly number[] | null;
  const share = rows === null ? null : rows.filter((one) => one > 0).length / rows.length;
  return {
    whenProbability: share ?? when?.probability ?? 1,
    whenRows: rows,
    whenContains: when?.contains ?? null,
  };
}

/** Null where the task is no language model's, or goes on with another's sequences. */
export function lengthTerms(
  document: TaskDocument["tokens"],
  columns: TraceColumns,
  idsOf: (task: string) => readonly number[],
): TokenLengthTerms | null {
  if (document === undefined || "from" in document) return null;
  const { prompt, outputsOf, output, prefix = null, most } = document;
  const numbered = prefix !== null && "column" in prefix ? prefix : null;
  return {
    prompt: lengthOf(prompt, columns),
    outputsOf: outputsOf.flatMap(idsOf),
    output: lengthOf(output, columns),
    most,
    prefix:
      numbered === null
        ? (prefix as Exclude<typeof prefix, { column: string }>)
        : {
            rows: rowsOf(columns, numbered.column) as readonly (readonly number[])[],
            blockTokens: numbered.blockTokens,
          },
  };
}

/** Tokens of each row; the mean alone where they are drawn, of samples that are cut to `most`. */
export function lengthsByRow(
  length: LengthsDocument["prompt"],
  columns: TraceColumns,
  most: number,
): readonly number[] {
  const terms = lengthOf(length, columns);
  if (typeof terms === "number") return [terms];
  if ("rows" in terms) return terms.rows;
  if (terms.distribution !== "empirical") return [terms.mean];
  return [meanOf(terms.samples.map((one) => Math.min(most, one)))];
}

function lengthOf(length: LengthsDocument["prompt"], columns: TraceColumns) {
  if (typeof length === "number" || !("column" in length)) return length;
  return { rows: rowsOf(columns, length.column) as readonly number[] };
}

function rowsOf(columns: TraceColumns, name: string): TraceColumn {
  assert(Object.hasOwn(columns, name), `a checked scenario has the columns of its trace: ${name}`);
  return columns[name];
}
