/** Short, readable, stable names of configurations from their swept paths and values. */
import type { Parameter } from "../results.ts";
import { digestOf } from "./digest.ts";

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
  switch (typeof value) {
    case "string":
    case "number":
    case "boolean":
      return value;
    default:
      return value === null ? null : JSON.stringify(value);
  }
}

const LONGEST = 48;

function valueText(value: unknown): string {
  const plain = typeof value !== "object" || value === null;
  const text = plain ? String(value) : leaves(value, "").join("+");
  const safe = text.replace(/[^A-Za-z0-9._:+~-]/g, "-");
  if (safe === text && text.length <= LONGEST) return text;
  // What is cut off or replaced may be what tells two values apart: a digest keeps them so.
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
