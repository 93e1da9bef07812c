/** The result of work in steps between which there is nothing to do. */
export function finished<T>(steps: Generator<unknown, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** Items by key, in their order. */
export function grouped<Key, Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => Key,
): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** The first of those with the least cost; undefined of none. */
export function leastBy<T>(all: readonly T[], costOf: (one: T) => number): T | undefined {
  let best = all[0];
  let cost = Number.POSITIVE_INFINITY;
  for (const one of all) {
    const own = costOf(one);
    if (own >= cost) continue;
    best = one;
    cost = own;
  }
  return best;
}
