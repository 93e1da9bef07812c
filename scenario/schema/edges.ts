/** The tasks that a task comes after, as its scenario names them. */
import type { TaskDocument } from "./scenario.ts";

type Edge = TaskDocument["after"][number];

/** In the order of `after`. */
export function namesAfter({ after }: Pick<TaskDocument, "after">): string[] {
  return after.map((edge: Edge) => (typeof edge === "string" ? edge : edge.task));
}

/** Those whose first token is enough. */
export function earlyNames({ after }: Pick<TaskDocument, "after">): string[] {
  return after.flatMap((edge: Edge) => (typeof edge === "string" ? [] : [edge.task]));
}
