/** Time that the gateway's process takes for each kind of message. */
import { performance } from "node:perf_hooks";

export type MessageKind = "arrival" | "dispatch" | "completion";

/** Times are the wall clock's, µs; 0 where there was no such message. */
export type GatewayCosts = Readonly<ReturnType<RunCosts["summary"]>>;

/** Times handlers one by one. The rest of the loop's busy time is shared by the messages received. */
export class RunCosts {
  readonly #handlerUs = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #counts = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #loop = performance.eventLoopUtilization();
  /** Partial answers: they take their share of the loop's time. */
  #parts = 0;

  addPart(): void {
    this.#parts++;
  }

  add(kind: MessageKind, handlerUs: number): void {
    this.#handlerUs[kind] += handlerUs;
    this.#counts[kind]++;
  }

  summary() {
    const activeUs = performance.eventLoopUtilization(this.#loop).active * 1000;
    const { arrival, dispatch, completion } = this.#handlerUs;
    const received = this.#counts.arrival + this.#counts.completion + this.#parts;
    const outsideUs = Math.max(0, activeUs - arrival - dispatch - completion);
    const receiveUs = received === 0 ? 0 : outsideUs / received;
    const mean = (kind: MessageKind): number =>
      this.#counts[kind] === 0 ? 0 : this.#handlerUs[kind] / this.#counts[kind];
    return {
      // Busy time of the event loop per message.
      arrivalUs: receiveUs + mean("arrival"),
      dispatchUs: mean("dispatch"),
      completionUs: receiveUs + mean("completion"),
      // The part of an arrival or a completion before its handler runs: reading and decoding.
      receiveUs,
      arrivals: this.#counts.arrival,
      dispatches: this.#counts.dispatch,
      completions: this.#counts.completion,
    };
  }
}
