/**
 * What each request of a run carries. The draws say which branches request n takes; its contents are
 * some whose real outcome takes the same branches, so prediction and reality serve the same mix.
 */
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { RequestDraws, WHEN_HOLDS } from "../core/request-draws.ts";
import type { System } from "../core/system.ts";

/** What a request did in a pipeline: the tasks that ran on it. */
export interface KnownContents {
  readonly contents: RequestContents;
  readonly ran: ReadonlySet<string>;
}

/** Of each request 0 .. count − 1; `known` by pipeline name, none of them empty. */
export function matchContents(
  system: System,
  seed: string,
  count: number,
  known: Readonly<Record<string, readonly KnownContents[]>>,
): RequestContents[] {
  const draws = new RequestDraws(system, seed);
  const flags = new Uint8Array(system.stride);
  const variates = new Float64Array(system.stride);
  const groups = system.pipelines.map(({ name, tasks }) =>
    groupByBranches(known[name], conditional(tasks)),
  );
  const used = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const pipeline = draws.pipeline();
    draws.draw(pipeline, 0, flags, variates);
    const { name, tasks } = system.pipelines[pipeline];
    const wanted = tasks
      .filter((task, i) => task.whenContains !== null && (flags[i] & WHEN_HOLDS) !== 0)
      .map((task) => task.name)
      .join("+");
    const candidates = groups[pipeline].get(wanted) ?? known[name];
    const turn = used.get(`${name}/${wanted}`) ?? 0;
    used.set(`${name}/${wanted}`, turn + 1);
    return candidates[turn % candidates.length].contents;
  });
}

function conditional(tasks: System["pipelines"][number]["tasks"]): readonly string[] {
  return tasks.filter((task) => task.whenContains !== null).map((task) => task.name);
}

/** Contents by the conditional tasks that ran on them. */
function groupByBranches(
  known: readonly KnownContents[],
  tasks: readonly string[],
): Map<string, KnownContents[]> {
  const groups = new Map<string, KnownContents[]>();
  for (const entry of known) {
    const key = tasks.filter((task) => entry.ran.has(task)).join("+");
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  return groups;
}
