/**
 * Splits the latency goal of a query, a tree of models, into a budget for each model, so that all of it
 * takes the fewest devices.
 *
 *   f(v, t) = min over τ of rate(v) / throughput(v, τ) + Σ children f(child, t − τ)
 *
 * Source: Shen et al., Nexus, SOSP 2019, section 6.2 (complex queries).
 */

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
 * The first node is the root. Budgets are multiples of a segment of the goal. Null: no split makes it.
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
  const budgetsUs = nodes.map(() => 0);
  const assign = (node: number, total: number): void => {
    const { children } = nodes[node];
    // A leaf may use all that is left.
    const own = children.length === 0 ? total : taken[node][total];
    budgetsUs[node] = own * stepUs;
    for (const child of children) assign(child, total - own);
  };
  assign(0, segments);
  return { budgetsUs, devices: devices[0][segments] };
}
