/** Swept parameters as results show them: ids of configurations, columns of tables, and kinds. */
import { digestOf } from "../../engine/basics/digest.ts";
import type { Parts, ScenarioDocument } from "../schema/scenario.ts";
import { DECISIONS } from "../schema/scheduler.ts";
import { sweptPaths, sweptValues } from "./axes.ts";

export type Parameter = string | number | boolean | null;

/**
 * The decision that a swept path varies. "replicas": `cluster.replicas`; "shape": the rest of the
 * cluster; "scheduler": a preset, a composition or a policy; "scheduler parameter": a value that
 * one policy reads; "load": the workload.
 */
export type ParameterKind =
  | "load"
  | "replicas"
  | "shape"
  | "scheduler"
  | "scheduler parameter"
  | "other";

/** By swept path. */
export type ParameterKinds = Readonly<Record<string, ParameterKind>>;

/** Words after which a path goes on with a name that the user chose. */
const BEFORE_NAMES = new Set([
  "pipelines",
  "tasks",
  "models",
  "devices",
  "replicas",
  "perTask",
  "metrics",
]);

/**
 * The shortest end of each path that no other path has, and that does not start with a bare name
 * or number: `cluster.replicas.detect` is `replicas.detect`, `workload.ratePerS` is `ratePerS`.
 */
export function shortLabels(paths: readonly string[]): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const path of paths) {
    const words = path.split(".");
    let start = words.length - 1;
    const unclear = () => {
      const end = words.slice(start).join(".");
      const bare = BEFORE_NAMES.has(words[start - 1]!) || /^\d+$/.test(words[start]!);
      return bare || paths.some((other) => other !== path && `.${other}`.endsWith(`.${end}`));
    };
    while (start > 0 && unclear()) start--;
    labels.set(path, words.slice(start).join("."));
  }
  return labels;
}

/** `scheduler=fifo,replicas.detect=4`; `base` when nothing is swept. */
export function configurationId(
  entries: readonly { readonly path: string; readonly value: unknown }[],
  labels: ReadonlyMap<string, string>,
): string {
  if (entries.length === 0) return "base";
  return entries
    .map(({ path, value }) => `${labels.get(path) ?? path}=${valueText(value)}`)
    .join(",");
}

/** A swept value as results show it: objects as JSON text. */
export function parameterOf(value: unknown): Parameter {
  const isPlain = value === null || ["string", "number", "boolean"].includes(typeof value);
  return isPlain ? (value as Parameter) : JSON.stringify(value);
}

const LONGEST = 48;

function valueText(value: unknown): string {
  const plain = typeof value !== "object" || value === null;
  const text = plain ? String(value) : leaves(value, "").join("+");
  const safe = text.replace(/[^A-Za-z0-9._:+~-]/g, "-");
  if (safe === text && text.length <= LONGEST) return text;
  // The cut or replaced part may be all that differs between two values: the digest keeps it.
  const short = safe.slice(0, LONGEST - 7);
  return `${short}~${digestOf(value).slice(0, 6)}`;
}

/** `{routing: x, batching: {policy: y, maxBatch: 8}}` is routing:x, batching:y, maxBatch:8. */
function leaves(value: unknown, key: string): string[] {
  if (typeof value !== "object" || value === null) {
    return [key === "" ? String(value) : `${key}:${value}`];
  }
  return Object.entries(value).flatMap(([name, inner]) => {
    const named = Array.isArray(value) || name === "policy" || name === "preset" ? key : name;
    return leaves(inner, named);
  });
}

const POLICIES: ReadonlySet<string> = new Set(DECISIONS);

export interface ParameterColumn {
  readonly path: string;
  /** One type for all values of the column. */
  readonly type: "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

/** In the order of the sweep. */
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

/** The kinds of all paths of the sweep and of the validation's points. */
export function parameterKinds({
  sweep,
  validation,
}: Parts<"sweep" | "validation">): ParameterKinds {
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
  if (words[0] === "parameters") return words.length > 1;
  const decision = words.findLastIndex((word) => POLICIES.has(word));
  return decision >= 0 && words.length > decision + 1 && words.at(-1) !== "policy";
}
