/** The scenario's replicas: all places of a language model's engine together are one, where people look at a run. */
import type { System } from "./system.ts";

export interface WholeReplicas {
  readonly names: readonly string[];
  /** By the system's replica, the number of the whole one. */
  readonly of: Int32Array;
  /** The first place of each. */
  readonly firsts: readonly number[];
  /** The places of each. */
  readonly places: readonly number[];
}

export function wholeReplicas({ replicas, pools }: System): WholeReplicas {
  const numbers = new Map<string, number>();
  const firsts: number[] = [];
  const of = Int32Array.from(replicas, ({ name, pool }, replica) => {
    const whole = pools[pool].places === 1 ? name : name.slice(0, name.lastIndexOf("/"));
    const number = numbers.get(whole) ?? firsts.push(replica) - 1;
    numbers.set(whole, number);
    return number;
  });
  const places = firsts.map((first) => pools[replicas[first].pool].places);
  return { names: [...numbers.keys()], of, firsts, places };
}
