/**
 * How much busy replicas of this host slow each other down: k workers run without pause, and each
 * one's mean time is compared with its mean when it runs alone. The levels take turns, again and
 * again, so that a host that drifts slows them all alike.
 */
import type { JobInput, ModelWorker } from "./model-worker.ts";

export interface BusyWorker {
  readonly worker: ModelWorker;
  readonly inputs: readonly JobInput[];
}

interface Spent {
  us: number;
  calls: number;
}

/**
 * Slow-down with 1, 2, ... `workers.length` busy, each >= 1 and none below the one before. Every
 * level, and every worker alone, runs `seconds` in each of `rounds` rounds. Workers are taken in
 * order: the first two make the level of two.
 */
export async function measureContention(
  workers: readonly BusyWorker[],
  rounds: number,
  seconds: number,
): Promise<number[]> {
  const fresh = (): Spent[] => workers.map(() => ({ us: 0, calls: 0 }));
  const alone = fresh();
  const together = workers.map(fresh);
  for (let round = 0; round < rounds; round++) {
    for (const [i, worker] of workers.entries()) await keepBusy([worker], [alone[i]], seconds);
    for (let busy = 2; busy <= workers.length; busy++) {
      await keepBusy(workers.slice(0, busy), together[busy - 1], seconds);
    }
  }
  const curve = [1];
  for (let busy = 2; busy <= workers.length; busy++) {
    const ratios = workers
      .slice(0, busy)
      .map((_, i) => meanUs(together[busy - 1][i]) / meanUs(alone[i]));
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / busy;
    curve.push(Math.max(curve[curve.length - 1], mean));
  }
  return curve;
}

function meanUs({ us, calls }: Spent): number {
  return us / calls;
}

/** All workers run for `seconds`, each at least once; what they spent is added up. */
async function keepBusy(
  workers: readonly BusyWorker[],
  spent: readonly Spent[],
  seconds: number,
): Promise<void> {
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    workers.map(async ({ worker, inputs }, i) => {
      do {
        const { serviceUs } = await worker.call([inputs[spent[i].calls % inputs.length]]);
        spent[i].us += serviceUs;
        spent[i].calls++;
      } while (performance.now() < until);
    }),
  );
}
