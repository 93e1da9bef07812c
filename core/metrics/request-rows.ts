/** One row per ended request, handed on in blocks: memory does not grow with the run. */
import { OUTCOMES, type Outcome } from "../dispatch/driver.ts";

const BLOCK_ROWS = 16_384;

/** The first `count` entries of each column are rows, in order of their ends. */
export class RequestRows {
  /** The request's number, in order of arrival. */
  readonly serial = new Uint32Array(BLOCK_ROWS);
  /** Index into the system's pipelines. */
  readonly pipeline = new Uint16Array(BLOCK_ROWS);
  readonly arrivedUs = new Float64Array(BLOCK_ROWS);
  /** Until its answer, or until it was given up. */
  readonly latencyUs = new Float64Array(BLOCK_ROWS);
  /** Index into `OUTCOMES`. */
  readonly outcome = new Uint8Array(BLOCK_ROWS);
  count = 0;
  readonly #onBlock: (rows: RequestRows) => void;

  /** `onBlock` reads the rows before it returns: they are overwritten then. */
  constructor(onBlock: (rows: RequestRows) => void) {
    this.#onBlock = onBlock;
  }

  add(
    serial: number,
    pipeline: number,
    arrivedUs: number,
    latencyUs: number,
    outcome: Outcome,
  ): void {
    const row = this.count++;
    this.serial[row] = serial;
    this.pipeline[row] = pipeline;
    this.arrivedUs[row] = arrivedUs;
    this.latencyUs[row] = latencyUs;
    this.outcome[row] = OUTCOMES.indexOf(outcome);
    if (this.count === BLOCK_ROWS) this.flush();
  }

  flush(): void {
    if (this.count > 0) this.#onBlock(this);
    this.count = 0;
  }
}
