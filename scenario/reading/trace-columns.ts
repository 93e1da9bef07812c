/** Columns of a trace beside that of its arrivals: which ones a scenario reads, and what their cells hold. */
import type { Issue } from "../../engine/basics/fault.ts";
import { issueAt } from "./issues.ts";
import type { Sections } from "./sections.ts";
import { shown } from "./zod-issues.ts";

/** Values by row. */
export type TraceColumn = readonly number[] | readonly (readonly number[])[];

/** By name. */
export type TraceColumns = Readonly<Record<string, TraceColumn>>;

/** A column, and where the scenario names it. */
export interface WantedColumn {
  readonly name: string;
  readonly at: string;
  readonly kind: "size" | "tokens" | "numbers" | "condition";
}

/** Each once, by name and kind. */
export function wantedColumns({ workload, pipelines = {} }: Sections): readonly WantedColumn[] {
  if (workload?.arrivals !== "trace") return [];
  const { sizeColumn } = workload;
  const sizes: WantedColumn[] =
    sizeColumn === undefined ? [] : [{ name: sizeColumn, at: "workload.sizeColumn", kind: "size" }];
  const wanted = [...sizes, ...taskColumns(pipelines)];
  const keys = wanted.map(({ name, kind }) => `${kind} ${name}`);
  return wanted.filter((_, i) => keys.indexOf(keys[i]) === i);
}

/** Lengths and conditions of tasks. */
export function taskColumns(pipelines: NonNullable<Sections["pipelines"]>): WantedColumn[] {
  const wanted: WantedColumn[] = [];
  for (const [pipeline, { tasks }] of Object.entries(pipelines)) {
    for (const [task, { tokens, when }] of Object.entries(tasks)) {
      if (when?.column !== undefined) {
        const at = `pipelines.${pipeline}.tasks.${task}.when.column`;
        wanted.push({ name: when.column, at, kind: "condition" });
      }
      for (const key of ["prompt", "output", "prefix"] as const) {
        const length = tokens === undefined || "from" in tokens ? undefined : tokens[key];
        if (typeof length !== "object" || !("column" in length)) continue;
        const at = `pipelines.${pipeline}.tasks.${task}.tokens.${key}.column`;
        const kind = key === "prefix" ? "numbers" : "tokens";
        wanted.push({ name: length.column, at, kind });
      }
    }
  }
  return wanted;
}

const NUMBERS = {
  size: { least: 0, expected: "an input size from 0 up" },
  tokens: { least: 1, expected: "a number of tokens from 1 up" },
  condition: { least: 0, expected: "a number from 0 up" },
};

const MOST_NUMBER = 2 ** 28;

/** The value of a cell, or the issue that stands at a place of the scenario. */
export function cellValue(
  kind: WantedColumn["kind"],
  cell: string | undefined,
  at: string,
): number | readonly number[] | Issue {
  const text = cell?.trim() ?? "";
  if (kind === "numbers") {
    const numbers = text === "" ? [] : text.split(/ +/).map(Number);
    if (numbers.every((one) => Number.isInteger(one) && one >= 0 && one < MOST_NUMBER)) {
      return numbers;
    }
    const message = `expected whole numbers from 0 to ${MOST_NUMBER - 1} with spaces between`;
    return issueAt(at, `${message}, got ${shown(cell)}`);
  }
  const value = text === "" ? Number.NaN : Number(text);
  const { least, expected } = NUMBERS[kind];
  if (value >= least && value < Number.POSITIVE_INFINITY) return value;
  return issueAt(at, `expected ${expected}, got ${shown(cell)}`);
}
