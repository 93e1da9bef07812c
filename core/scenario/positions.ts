/** Paths into a scenario and where in which file they are written. */
import type { Issue } from "../fault.ts";

export type Path = readonly (string | number)[];

/** `line` counts from 1; it is absent for a value that no file holds (a `--set` option). */
export interface Position {
  readonly file: string;
  readonly line?: number;
}

/** Positions by path text, e.g. `pipelines.p.tasks.plate.after.0`. Plain data: may be cloned. */
export type Positions = ReadonlyMap<string, Position>;

/** `["pipelines", "p", "tasks", 0]` is `pipelines.p.tasks.0`, as `--set` takes it; the root is the empty text. */
export function formatPath(path: Path): string {
  return path.join(".");
}

/** An issue at a path, its position still to be found. */
export function issueAt(path: Path | string, message: string, hint?: string): Issue {
  const text = typeof path === "string" ? path : formatPath(path);
  return hint === undefined ? { path: text, message } : { path: text, message, hint };
}

/** The position of a path, else of its nearest enclosing path that is written somewhere. */
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

/** True when `path` is `root` or lies within it. */
export function isWithin(path: string, root: string): boolean {
  if (!path.startsWith(root)) return false;
  const next = path[root.length];
  return next === undefined || next === ".";
}

/** Issues in the order of a reader's walk: file by file, top to bottom. */
export function inReadingOrder(issues: readonly Issue[]): Issue[] {
  return [...issues].sort(
    (a, b) => (a.file ?? "").localeCompare(b.file ?? "") || (a.line ?? 0) - (b.line ?? 0),
  );
}
