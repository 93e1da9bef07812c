/**
 * The host's pace: the time of a fixed kernel in this process. A profile keeps it by round; a validation measures it in
 * the same way, so a change of the host is told from a change of a model.
 */
import { pbkdf2Sync } from "node:crypto";
import { meanOf } from "../engine/statistics/estimate.ts";

/**
 * Rounds of SHA-256, half a millisecond of one processor. Machine code of a library: a kernel in JavaScript took 0.7 ms
 * in one process and 1.5 ms in the next, as its compilation went.
 */
const ITERATIONS = 3000;
const KERNELS = 40;
/** Between two kernels, so that the processor sleeps as between two requests. */
const PAUSE_MS = 4;

/** Mean of the middle half of the kernels' times, µs: interrupts lengthen single ones. */
export async function probePace(): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < KERNELS; i++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const startMs = performance.now();
    pbkdf2Sync("pace", "probe", ITERATIONS, 32, "sha256");
    times.push((performance.now() - startMs) * 1000);
  }
  times.sort((a, b) => a - b);
  return meanOf(times.slice(KERNELS / 4, (3 * KERNELS) / 4));
}
