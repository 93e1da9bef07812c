/** Time that the gateway's process takes for each kind of message. */
import { type EventLoopUtilization, performance } from "node:perf_hooks";

export type MessageKind = "arrival" | "dispatch" | "completion";

/** Times are the wall clock's, µs; 0 where there was no such message. */
export type GatewayCosts = Readonly<ReturnType<RunCosts["summary"]>>;

/**
 * Times handlers one by one. The rest of the loop's busy time, from the first arrival to the last message, is shared by the
 * messages received: what begins and ends a run is no message's, and took a third of that time in runs of sixteen requests.
 */
export class RunCosts {
  readonly #handlerUs = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #counts = { arrival: 0, dispatch: 0, completion: 0 };
  /** At the end of the first message's handler. */
  #first: { readonly loop: EventLoopUtilization; readonly handledUs: number } | null = null;
  /** Since then, up to the last message. */
  #outsideUs = 0;
  /** Partial answers: they take their share of the loop's time. */
  #parts = 0;

  addPart(): void {
    this.#parts++;
  }

  add(kind: MessageKind, handlerUs: number): void {
    this.#handlerUs[kind] += handlerUs;
    this.#counts[kind]++;
    if (kind === "dispatch") return;
    const { arrival, dispatch, completion } = this.#handlerUs;
    const handledUs = arrival + dispatch + completion;
    if (this.#first === null) {
      this.#first = { loop: performance.eventLoopUtilization(), handledUs };
      return;
    }
    const activeUs = performance.eventLoopUtilization(this.#first.loop).active * 1000;
    this.#outsideUs = Math.max(0, activeUs - (handledUs - this.#first.handledUs));
  }

  summary() {
    const received = this.#counts.arrival + this.#counts.completion + this.#parts;
    const receiveUs = received < 2 ? 0 : this.#outsideUs / (received - 1);
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
