/**
 * How much busy replicas of this host slow each other down: k workers run without pause, and each
 * one's mean time is compared with its mean when it runs alone. The curve averages over the workers.
 */
import type { JobInput, ModelWorker } from "./model-worker.ts";

export interface BusyWorker {
  readonly worker: ModelWorker;
  readonly inputs: readonly JobInput[];
}

/**
 * Slow-down with 1, 2, ... `workers.length` busy, each >= 1. Each level runs `seconds`.
 * Workers are taken in order: the first two make the level of two.
 */
export async function measureContention(
  workers: readonly BusyWorker[],
  seconds: number,
): Promise<number[]> {
  const alone: number[] = [];
  for (const worker of workers) alone.push((await busyMeans([worker], seconds))[0]);
  const curve = [1];
  for (let busy = 2; busy <= workers.length; busy++) {
    const together = await busyMeans(workers.slice(0, busy), seconds);
    const ratios = together.map((us, i) => us / alone[i]);
    const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
    curve.push(Math.max(curve[curve.length - 1], mean));
  }
  return curve;
}

/** Mean service time of each worker while all run for `seconds`, µs. */
async function busyMeans(workers: readonly BusyWorker[], seconds: number): Promise<number[]> {
  const until = performance.now() + seconds * 1000;
  return Promise.all(
    workers.map(async ({ worker, inputs }) => {
      let sum = 0;
      let calls = 0;
      while (performance.now() < until || calls === 0) {
        sum += (await worker.call([inputs[calls % inputs.length]])).serviceUs;
        calls++;
      }
      return sum / calls;
    }),
  );
}
