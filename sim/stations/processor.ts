/** What runs batches: one shared device slot, or all exclusive slots of a node together. */
export interface Processor {
  /** Batches that run at this instant. */
  readonly running: number;
  /** A batch of `aloneUs` comes in. Slots stay as they are until `rate`. */
  add(replica: number, aloneUs: number, nowUs: number): void;
  /** The replica's slot was due. True: its batch has run. Slots stay as they are until `rate`. */
  due(replica: number, nowUs: number): boolean;
  /** A batch goes before it has run. Slots stay as they are until `rate`. */
  remove(replica: number, nowUs: number): void;
  /** Sets the slots that depend on pace; `slowdown` is what the node's other work costs. */
  rate(slowdown: number, nowUs: number): void;
}
