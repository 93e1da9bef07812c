/** The swept parameters as results show them: the kind of each, and its column in a table. */
import type { Parameter, ParameterKind, ParameterKinds } from "../results.ts";
import { sweptPaths, sweptValues } from "./axes.ts";
import { parameterOf } from "./configuration-id.ts";
import { DECISIONS } from "./schema/scheduler.ts";
import type { ScenarioDocument } from "./schema.ts";

const POLICIES: ReadonlySet<string> = new Set(DECISIONS);

export interface ParameterColumn {
  readonly path: string;
  /** One type for all values of the column. */
  readonly type: "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

/** In the order in which the sweep names them. */
export function parameterColumns(sweep: ScenarioDocument["sweep"]): readonly ParameterColumn[] {
  return [...sweptValues(sweep)].map(([path, values]) => ({
    path,
    type: typeOf(values.map(parameterOf)),
  }));
}

function typeOf(values: readonly Parameter[]): ParameterColumn["type"] {
  const kinds = new Set(values.filter((value) => value !== null).map((value) => typeof value));
  if (kinds.size !== 1) return "VARCHAR";
  return kinds.has("number") ? "DOUBLE" : kinds.has("boolean") ? "BOOLEAN" : "VARCHAR";
}

/** The kinds of all paths that the sweep or the points of the validation set. */
export function parameterKinds({
  sweep,
  validation,
}: Pick<ScenarioDocument, "sweep" | "validation">): ParameterKinds {
  const paths = [...sweptPaths(sweep), ...(validation?.points ?? []).flatMap(Object.keys)];
  return Object.fromEntries(paths.map((path) => [path, parameterKind(path)]));
}

export function parameterKind(path: string): ParameterKind {
  const [section, ...rest] = path.split(".");
  switch (section) {
    case "workload":
      return "load";
    case "cluster":
      return rest[0] === "replicas" ? "replicas" : "shape";
    case "scheduler":
      return isPolicyParameter(rest) ? "scheduler parameter" : "scheduler";
    default:
      return "other";
  }
}

/** `batching.maxBatch`, and below `perTask` with a task's name in front, which may have dots. */
function isPolicyParameter(words: readonly string[]): boolean {
  const decision = words.findLastIndex((word) => POLICIES.has(word));
  return decision >= 0 && words.length > decision + 1 && words.at(-1) !== "policy";
}
