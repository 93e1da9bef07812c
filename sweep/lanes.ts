/**
 * Works on so many items at once, each taken as its turn comes, and gives what became of them in their order. After a
 * failure or an abort it begins no other; it rejects with the first failure once all that it began have ended.
 */
export async function inLanes<Item, Result>(
  items: Iterable<Item>,
  lanes: number,
  work: (item: Item) => Promise<Result>,
  signal?: AbortSignal,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const open = items[Symbol.iterator]();
  let taken = 0;
  let failed = false;
  const lane = async (): Promise<void> => {
    while (!failed && signal?.aborted !== true) {
      const next = open.next();
      if (next.done === true) return;
      const at = taken++;
      results[at] = await work(next.value);
    }
  };
  const started = Array.from({ length: lanes }, lane);
  try {
    await Promise.all(started);
  } finally {
    failed = true;
    await Promise.allSettled(started);
  }
  return results;
}
