/** Batches in which one input fails alone. */

/** Applies `work` to each item; where it throws, the slot holds the Error. */
export function settle<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<readonly (Result | Error)[]> {
  return Promise.all(
    items.map((item, index) =>
      work(item, index).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      ),
    ),
  );
}
