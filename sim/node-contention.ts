/**
 * Busy replicas of one node slow each other down: with k busy, each runs at 1/slowdown[k−1] of its
 * speed alone (beyond the curve's end, in proportion to k). Work left is kept in µs of running
 * alone and re-rated whenever a neighbour starts or stops.
 */
import type { System } from "../core/system.ts";
import type { WinnerTree } from "../core/winner-tree.ts";

export class NodeContention {
  readonly #curve: readonly (readonly number[] | null)[];
  readonly #node: readonly number[];
  /** Serving replicas of each node. */
  readonly #serving: readonly number[][];
  readonly #leftUs: Float64Array;
  readonly #ratedUs: Float64Array;
  readonly #slowdown: Float64Array;
  readonly #slots: WinnerTree;

  constructor(system: System, slots: WinnerTree) {
    this.#curve = system.nodes.map((node) => node.contention);
    this.#node = system.replicas.map((replica) => replica.node);
    this.#serving = system.nodes.map(() => []);
    this.#leftUs = new Float64Array(system.replicas.length);
    this.#ratedUs = new Float64Array(system.replicas.length);
    this.#slowdown = new Float64Array(system.nodes.length).fill(1);
    this.#slots = slots;
  }

  /** A replica starts work that takes `aloneUs` when nothing else runs on its node. */
  begin(replica: number, aloneUs: number, nowUs: number): void {
    const node = this.#node[replica];
    if (this.#curve[node] === null) {
      this.#slots.set(replica, nowUs + aloneUs);
      return;
    }
    this.#spend(node, nowUs);
    this.#leftUs[replica] = aloneUs;
    this.#serving[node].push(replica);
    this.#rate(node, nowUs);
  }

  end(replica: number, nowUs: number): void {
    const node = this.#node[replica];
    if (this.#curve[node] === null) return;
    this.#spend(node, nowUs);
    const serving = this.#serving[node];
    serving.splice(serving.indexOf(replica), 1);
    this.#rate(node, nowUs);
  }

  #spend(node: number, nowUs: number): void {
    for (const replica of this.#serving[node]) {
      const spentUs = (nowUs - this.#ratedUs[replica]) / this.#slowdown[node];
      this.#leftUs[replica] = Math.max(0, this.#leftUs[replica] - spentUs);
      this.#ratedUs[replica] = nowUs;
    }
  }

  #rate(node: number, nowUs: number): void {
    const serving = this.#serving[node];
    const slowdown = slowdownOf(this.#curve[node] as readonly number[], serving.length);
    this.#slowdown[node] = slowdown;
    for (const replica of serving) {
      this.#ratedUs[replica] = nowUs;
      this.#slots.set(replica, nowUs + Math.round(this.#leftUs[replica] * slowdown));
    }
  }
}

/** Slow-down with `busy` replicas; beyond the curve the node's whole speed stays what it was. */
export function slowdownOf(curve: readonly number[], busy: number): number {
  if (busy <= 0) return 1;
  if (busy <= curve.length) return curve[busy - 1];
  return (curve[curve.length - 1] * busy) / curve.length;
}
