/**
 * The host's pace: the time of a fixed kernel in this process. A profile keeps it by round; a validation measures it in
 * the same way, so a change of the host is told from a change of a model.
 *
 * The kernel is a small network whose activations, and then weights, pass through memory as those of models do. A kernel
 * that fits into a processor's caches does not slow down as models do where others use the host's memory: divided by rounds
 * of SHA-256, the times of two models varied more than before; divided by this kernel, a third as much
 * (`docs/statistics.md`).
 */
import { meanOf } from "../engine/statistics/estimate.ts";
import {
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  writeOnnx,
} from "../models/onnx-writer.ts";
import { loadOnnxRuntime } from "../models/session.ts";

/** Names the kernel; times of another are not compared. */
export const PROBE = "convolutions";

/** At the beginning and at the end of a round. */
const KERNELS = 20;
/** Before a kernel, so that the processor sleeps as between two requests. */
const PAUSE_MS = 4;

/** 2 MB of activations, twice; then 9 MB of weights. Some 4 ms. */
const [NARROW, WIDE, SIDE, SMALL_SIDE] = [32, 256, 128, 8];
const WIDE_LAYERS = 4;
const INPUT_SHAPE = [1, NARROW, SIDE, SIDE];

function kernel(): OnnxGraph {
  const nodes: OnnxNode[] = [];
  const constants: OnnxTensor[] = [];
  let last = "x";
  const add = (op: string, attributes: OnnxNode["attributes"], weights: string[] = []): void => {
    const output = `y${nodes.length}`;
    nodes.push({ op, inputs: [last, ...weights], output, attributes: attributes ?? {} });
    last = output;
  };
  const convolve = (from: number, to: number, side: number): void => {
    const name = `w${constants.length}`;
    const data = new Float32Array(to * from * side * side).map((_, i) => Math.sin(i) / 100);
    constants.push({ name, shape: [to, from, side, side], data });
    add("Conv", { pads: new Array(4).fill((side - 1) / 2) }, [name]);
  };
  convolve(NARROW, NARROW, 3);
  convolve(NARROW, NARROW, 3);
  const pooled = [SIDE / SMALL_SIDE, SIDE / SMALL_SIDE];
  add("AveragePool", { kernel_shape: pooled, strides: pooled });
  convolve(NARROW, WIDE, 1);
  for (let i = 0; i < WIDE_LAYERS; i++) convolve(WIDE, WIDE, 3);
  return {
    name: PROBE,
    nodes,
    constants,
    inputs: [{ name: "x", shape: INPUT_SHAPE }],
    outputs: [{ name: last, shape: [1, WIDE, SMALL_SIDE, SMALL_SIDE] }],
  };
}

let opened: Promise<() => Promise<unknown>> | undefined;

async function open(): Promise<() => Promise<unknown>> {
  const ort = await loadOnnxRuntime();
  const session = await ort.InferenceSession.create(writeOnnx(kernel()), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const values = new Float32Array(NARROW * SIDE * SIDE).map((_, i) => Math.sin(i));
  const x = new ort.Tensor("float32", values, INPUT_SHAPE);
  return () => session.run({ x });
}

/** The host's pace over some seconds: kernels one after another, or between other work. */
export class PaceProbe {
  readonly #timesUs: number[] = [];

  /** One kernel; returns its time, µs. */
  async beat(): Promise<number> {
    opened ??= open();
    const run = await opened;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const startMs = performance.now();
    await run();
    const us = (performance.now() - startMs) * 1000;
    this.#timesUs.push(us);
    return us;
  }

  async beats(): Promise<void> {
    for (let i = 0; i < KERNELS; i++) await this.beat();
  }

  /** Mean of the middle half of all kernels so far, µs. */
  meanUs(): number {
    return middleMean(this.#timesUs);
  }
}

/** Mean of the middle half: interrupts lengthen single times. */
export function middleMean(times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const quarter = Math.floor(sorted.length / 4);
  return meanOf(sorted.slice(quarter, sorted.length - quarter));
}
