/** Checks of what breaks: each fault names one thing that there is, and fits its kind. */
import { expectedSeconds } from "../arrivals/extent.ts";
import type { Issue } from "../fault.ts";
import { noSuchTask } from "./check-pipelines.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt } from "./positions.ts";
import type { FaultsDocument, ScenarioDocument } from "./schema.ts";

type Entry = FaultsDocument["random"][number] | FaultsDocument["scheduled"][number];

export function checkFaults({
  faults,
  cluster,
}: Pick<ScenarioDocument, "faults" | "cluster">): Issue[] {
  if (faults === undefined) return [];
  const { random, scheduled } = faults;
  if (random.length + scheduled.length === 0) {
    return [issueAt("faults", "no fault: expected an entry in `random` or `scheduled`")];
  }
  const lists = { random, scheduled };
  return Object.entries(lists).flatMap(([list, entries]) =>
    entries.flatMap((entry, index) => {
      const at = `faults.${list}.${index}`;
      return [...checkFactor(entry, at), ...checkTarget(entry, cluster, at)];
    }),
  );
}

/** More take minutes, in which next to nothing is served. */
const MOST_FAULTS = 20_000_000;

/** As far as the scenario says how long a run takes. */
export function checkFaultRates({
  faults,
  cluster,
  workload,
  run,
}: Pick<ScenarioDocument, "faults" | "cluster" | "workload" | "run">): Issue[] {
  const seconds = expectedSeconds(workload) + (run.maxDrainS ?? 0);
  return (faults?.random ?? []).flatMap((entry, index) => {
    const strikes = (seconds / (entry.mtbfS + entry.mttrS)) * targetsOf(entry, cluster);
    if (strikes <= MOST_FAULTS) return [];
    const message = `up to ${strikes.toPrecision(3)} faults a run of ${seconds} s`;
    const hint = `a run may have ${MOST_FAULTS.toLocaleString("en-US")}`;
    return [issueAt(`faults.random.${index}.mtbfS`, message, hint)];
  });
}

/** How many machines or replicas an entry names. */
function targetsOf(
  { node, task }: Entry,
  { nodes, replicas }: ScenarioDocument["cluster"],
): number {
  if (task !== undefined) return Object.hasOwn(replicas, task) ? replicas[task] : 0;
  return nodes?.find(({ name }) => name === node)?.count ?? 1;
}

function checkFactor({ kind, factor }: Entry, at: string): Issue[] {
  if (kind === "slow" && factor === undefined) {
    return [issueAt(at, "a slow-down needs its `factor`", "for example `factor: 3`")];
  }
  if (kind === "slow" || factor === undefined) return [];
  return [issueAt(`${at}.factor`, `only \`kind: slow\` takes a factor, not ${kind}`)];
}

function checkTarget(
  { node, task, replica }: Entry,
  cluster: ScenarioDocument["cluster"],
  at: string,
): Issue[] {
  const given = [node, task, replica].filter((target) => target !== undefined).length;
  if (given !== 1) {
    const message = `expected one of \`node\`, \`task\` and \`replica\`, got ${given}`;
    return [issueAt(at, message)];
  }
  const tasks = Object.keys(cluster.replicas);
  if (task !== undefined) {
    return tasks.includes(task) ? [] : [noSuchTask(`${at}.task`, task, tasks)];
  }
  if (node !== undefined) return checkNode(node, cluster.nodes, `${at}.node`);
  return checkReplica(replica as string, cluster.replicas, `${at}.replica`);
}

function checkNode(
  node: string,
  nodes: ScenarioDocument["cluster"]["nodes"],
  path: string,
): Issue[] {
  if (nodes === undefined) {
    const hint = "or name a `task` or a `replica`";
    return [issueAt(path, "a fault of a node needs `cluster.nodes`", hint)];
  }
  const names = nodes.flatMap(({ name, count }) => [
    name,
    ...(count === 1 ? [] : Array.from({ length: count }, (_, i) => `${name}-${i + 1}`)),
  ]);
  if (names.includes(node)) return [];
  return [issueAt(path, `no node is called "${node}"`, didYouMean(node, names))];
}

function checkReplica(
  replica: string,
  replicas: ScenarioDocument["cluster"]["replicas"],
  path: string,
): Issue[] {
  const owner = Object.entries(replicas).find(([task, count]) => {
    const number = replica.startsWith(`${task}-`) ? replica.slice(task.length + 1) : "";
    return /^[1-9]\d*$/.test(number) && Number(number) <= count;
  });
  if (owner !== undefined) return [];
  const hint = Object.entries(replicas)
    .filter(([, count]) => count > 0)
    .map(([task, count]) => (count === 1 ? `${task}-1` : `${task}-1 … ${task}-${count}`));
  return [issueAt(path, `no replica is called "${replica}"`, `known: ${hint.join(", ")}`)];
}
