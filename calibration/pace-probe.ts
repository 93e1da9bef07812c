/**
 * The host's pace: the time of a fixed kernel, a product of two matrices, in this process. A profile keeps it by round;
 * a validation measures it in the same way, so a change of the host is told from a change of a model.
 */
import { meanOf } from "../core/statistics/estimate.ts";

/** About a millisecond of one processor. */
const SIZE = 96;
const KERNELS = 40;
/** Between two kernels, so that the processor sleeps as between two requests. */
const PAUSE_MS = 4;
/** Until the kernel is compiled. */
const WARMUP_KERNELS = 50;

const [A, B, PRODUCT] = [0.5, 0.25, 0].map((value) => new Float32Array(SIZE * SIZE).fill(value));
let isWarm = false;

/** Mean of the middle half of the kernels' times, µs: interrupts lengthen single ones. */
export async function probePace(): Promise<number> {
  if (!isWarm) for (let i = 0; i < WARMUP_KERNELS; i++) kernel();
  isWarm = true;
  const times: number[] = [];
  for (let i = 0; i < KERNELS; i++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const startMs = performance.now();
    kernel();
    times.push((performance.now() - startMs) * 1000);
  }
  times.sort((a, b) => a - b);
  return meanOf(times.slice(KERNELS / 4, (3 * KERNELS) / 4));
}

function kernel(): void {
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      let sum = 0;
      for (let k = 0; k < SIZE; k++) sum += A[row * SIZE + k] * B[k * SIZE + column];
      PRODUCT[row * SIZE + column] = sum;
    }
  }
}
