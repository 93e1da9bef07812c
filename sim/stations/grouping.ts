/** Replicas by what they share: a device slot, a node's link. */
export interface Grouping {
  /** Replicas of each group, ascending. */
  readonly members: readonly (readonly number[])[];
  readonly groupOf: Int32Array;
  /** Place of each replica among its group's members. */
  readonly placeOf: Int32Array;
}

/** `keys` gives the group of each replica, 0 .. groups − 1. */
export function groupReplicas(keys: readonly number[], groups: number): Grouping {
  const members: number[][] = Array.from({ length: groups }, () => []);
  const placeOf = new Int32Array(keys.length);
  keys.forEach((group, replica) => {
    placeOf[replica] = members[group].length;
    members[group].push(replica);
  });
  return { members, groupOf: Int32Array.from(keys), placeOf };
}
