/**
 * Nexus' split of a query's latency goal, where a query is a tree of models, into a budget for each, so that all of it takes
 * the fewest devices.
 *
 *   f(v, t) = min over τ of rate(v) / throughput(v, τ) + Σ children f(child, t − τ)
 *
 * Source: Shen et al., Nexus, SOSP 2019, section 6.2.
 */
import { visitRatios } from "../../../engine/stability/offered-load.ts";
import type { PipelineSystem, System } from "../../../engine/system/system.ts";
import { batchWithin, mostPerS, waysThrough } from "../../rules/ways.ts";

export interface QueryNode {
  /** Rate of requests that the query causes at this model; any unit, the same for all. */
  readonly ratePerS: number;
  /** Places of the models that follow. */
  readonly children: readonly number[];
  /** The rate that one device does within a budget; 0: none. */
  throughputPerS(budgetUs: number): number;
}

export interface LatencySplit {
  /** By node. */
  readonly budgetsUs: readonly number[];
  /** Devices that the query needs. */
  readonly devices: number;
}

/**
 * The first node is the root. Null: no split makes it. Budgets are the least with which the devices are fewest, in
 * segments of the goal; time that is left on the longest way through the tree goes to all its nodes in proportion,
 * as a job that has to wait is dropped at the end of its node's budget.
 */
export function splitLatency(
  nodes: readonly QueryNode[],
  goalUs: number,
  segments = 100,
): LatencySplit | null {
  const stepUs = goalUs / segments;
  /** By node and segments: the fewest devices, and the segments that the node itself takes. */
  const devices = nodes.map(() => new Float64Array(segments + 1).fill(Number.POSITIVE_INFINITY));
  const taken = nodes.map(() => new Int32Array(segments + 1));
  const solve = (node: number): void => {
    const { children, ratePerS } = nodes[node];
    for (const child of children) solve(child);
    const needs = Float64Array.from({ length: segments + 1 }, (_, own) =>
      own === 0 ? Number.POSITIVE_INFINITY : ratePerS / nodes[node].throughputPerS(own * stepUs),
    );
    for (let total = 1; total <= segments; total++) {
      const most = children.length === 0 ? total : total - 1;
      for (let own = 1; own <= most; own++) {
        const sum = children.reduce((all, child) => all + devices[child][total - own], needs[own]);
        if (sum >= devices[node][total]) continue;
        devices[node][total] = sum;
        taken[node][total] = own;
      }
    }
  };
  solve(0);
  if (!Number.isFinite(devices[0][segments])) return null;
  /** Segments of the longest way from a node on. */
  const longest = (node: number, total: number): number => {
    const own = taken[node][total];
    return own + Math.max(0, ...nodes[node].children.map((child) => longest(child, total - own)));
  };
  const shareUs = goalUs / longest(0, segments);
  const budgetsUs = nodes.map(() => 0);
  const assign = (node: number, total: number, leftUs: number): void => {
    const { children } = nodes[node];
    const own = taken[node][total];
    // A leaf may use all that is left.
    budgetsUs[node] = children.length === 0 ? leftUs : own * shareUs;
    for (const child of children) assign(child, total - own, leftUs - budgetsUs[node]);
  };
  assign(0, segments, goalUs);
  return { budgetsUs, devices: devices[0][segments] };
}

/** The budget of each task of a pipeline, µs: by the split where that is a tree, else in equal parts. */
export function budgetsOf(
  system: System,
  pipeline: PipelineSystem,
  limits: readonly number[],
): number[] {
  const { tasks, sloUs, entryTasks } = pipeline;
  if (!Number.isFinite(sloUs)) return tasks.map(() => Number.POSITIVE_INFINITY);
  const visits = visitRatios(pipeline);
  const isTree =
    entryTasks.length === 1 && tasks.every(({ predecessors }) => predecessors.length < 2);
  if (isTree && visits !== null) {
    // The split's root is its first node.
    const order = [entryTasks[0], ...tasks.keys()].filter(
      (task, i, all) => all.indexOf(task) === i,
    );
    const nodes = order.map((task) => {
      const { pool, successors } = tasks[task];
      const { first, count } = system.pools[pool];
      const batchUs = count === 0 ? [] : system.replicas[first].service.meanUs;
      return {
        ratePerS: visits[task],
        children: successors.map((next) => order.indexOf(next)),
        // Batches take half of the budget, and gather in the other half.
        throughputPerS: (budgetUs: number) =>
          mostPerS(batchUs, count === 0 ? 0 : batchWithin(batchUs, limits[pool], budgetUs / 2)),
      };
    });
    const split = splitLatency(nodes, sloUs);
    if (split !== null) return tasks.map((_, task) => split.budgetsUs[order.indexOf(task)]);
  }
  const own = tasks.map(() => 1);
  const { before, after } = waysThrough(tasks, own);
  return own.map((one, task) => sloUs / (before[task] + one + after[task]));
}
