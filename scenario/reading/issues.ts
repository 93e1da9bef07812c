/** Issues of a scenario: their paths, the places in files, hints, and the Fault that holds them all. */
import { Fault, type Issue } from "../../engine/basics/fault.ts";

/** The issues of a check, found one by one. */
export type Issues = Generator<Issue, void>;

export type Path = readonly (string | number)[];

/** `line` counts from 1; it is absent for a value that no file holds (a `--set` option). */
export interface Position {
  readonly file: string;
  readonly line?: number;
}

/** Positions by path text, e.g. `pipelines.p.tasks.plate.after.0`. Plain data: may be cloned. */
export type Positions = ReadonlyMap<string, Position>;

/** `["pipelines", "p", "tasks", 0]` is `pipelines.p.tasks.0`, as `--set` takes it; the root is "". */
export function formatPath(path: Path): string {
  return path.join(".");
}

/** An issue at a path, its position still to be found. */
export function issueAt(path: Path | string, message: string, hint?: string): Issue {
  const text = typeof path === "string" ? path : formatPath(path);
  return hint === undefined ? { path: text, message } : { path: text, message, hint };
}

/** The position of a path, else of the nearest path around it that a file holds. */
export function locate(positions: Positions, path: string): Position | undefined {
  let text = path;
  for (;;) {
    const position = positions.get(text);
    if (position !== undefined) return position;
    if (text === "") return undefined;
    text = text.slice(0, Math.max(0, text.lastIndexOf(".")));
  }
}

/** The issue with file and line filled in, unless it names a file already. */
export function placed(issue: Issue, positions: Positions): Issue {
  return issue.file === undefined ? { ...issue, ...locate(positions, issue.path) } : issue;
}

/** Whether `path` is `root` or lies within it. */
export function isWithin(path: string, root: string): boolean {
  if (!path.startsWith(root)) return false;
  const next = path[root.length];
  return next === undefined || next === ".";
}

/** One Fault for all issues, each once, with their places, file by file and line by line. */
export function invalidInput(
  file: string,
  issues: readonly Issue[],
  positions: Positions = new Map(),
): Fault {
  const distinct = new Map<string, Issue>();
  for (const issue of issues) {
    const full = placed(issue, positions);
    distinct.set(`${full.file}|${full.line}|${full.path}|${full.message}`, full);
  }
  const all = [...distinct.values()].sort(
    (a, b) => (a.file ?? "").localeCompare(b.file ?? "") || (a.line ?? 0) - (b.line ?? 0),
  );
  const message = `${file}: ${all.length} ${all.length === 1 ? "issue" : "issues"}`;
  return new Fault("invalid-input", message, { issues: all });
}

/**
 * Edits (insert, delete, replace, swap of neighbours) that turn `a` into `b`, upper and lower case
 * alike. Source: optimal string alignment, Damerau 1964.
 */
export function editDistance(a: string, b: string): number {
  const left = a.toLowerCase();
  const right = b.toLowerCase();
  let older: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const replace = previous[j - 1] + (left[i - 1] === right[j - 1] ? 0 : 1);
      let best = Math.min(previous[j] + 1, row[j - 1] + 1, replace);
      const swapped =
        i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1];
      if (swapped) best = Math.min(best, older[j - 2] + 1);
      row.push(best);
    }
    older = previous;
    previous = row;
  }
  return previous[right.length];
}

/** The candidate that `word` was most likely meant to be, or undefined when none is close. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  // Two edits make another word of a short one.
  const limit = word.length <= 3 ? 1 : Math.max(2, Math.floor(word.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word, candidate);
    // Two words without a letter in common are not near, however short.
    const related = distance < Math.max(word.length, candidate.length);
    if (related && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best ?? continued(word, candidates);
}

/** The only candidate that starts with the word: often the name with its unit. */
function continued(word: string, candidates: Iterable<string>): string | undefined {
  if (word.length < 3) return undefined;
  const start = word.toLowerCase();
  const found = [...candidates].filter((candidate) => candidate.toLowerCase().startsWith(start));
  return found.length === 1 ? found[0] : undefined;
}

/** A hint for an unknown word: the nearest known one, else the list of known ones. */
export function didYouMean(word: string, candidates: Iterable<string>): string | undefined {
  const known = [...candidates];
  const best = nearest(word, known);
  if (best !== undefined) return `did you mean "${best}"?`;
  if (known.length === 0) return undefined;
  const shown = known.slice(0, 12).join(", ");
  return `known here: ${shown}${known.length > 12 ? ", ..." : ""}`;
}

/** The issue for a name that nothing of its kind has. */
export function noSuch(
  kind: "task" | "model" | "node" | "metric" | "GRES",
  path: string,
  name: string,
  known: Iterable<string>,
): Issue {
  return issueAt(path, `no ${kind} is called "${name}"`, didYouMean(name, known));
}
