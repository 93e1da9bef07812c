/** What the gateway spent on its messages during a run: its own station in the simulator. */
import { performance } from "node:perf_hooks";

export type MessageKind = "arrival" | "dispatch" | "completion";

export interface GatewayCosts {
  /** Busy time of the event loop per message, µs, wall clock; 0 where there was none. */
  readonly arrivalUs: number;
  readonly dispatchUs: number;
  readonly completionUs: number;
  readonly arrivals: number;
  readonly dispatches: number;
  readonly completions: number;
  /** Event loop not idle, and CPU time of the whole process, over the run, µs. */
  readonly activeUs: number;
  readonly cpuUs: number;
}

/**
 * Handlers are timed one by one, but much of a message's cost is outside them: reading frames,
 * decoding, writing. So the loop's whole busy time is shared out in proportion to the handlers.
 */
export class RunCosts {
  readonly #handlerUs = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #counts = { arrival: 0, dispatch: 0, completion: 0 };
  readonly #loop = performance.eventLoopUtilization();
  readonly #cpu = process.cpuUsage();

  add(kind: MessageKind, handlerUs: number): void {
    this.#handlerUs[kind] += handlerUs;
    this.#counts[kind]++;
  }

  summary(): GatewayCosts {
    const activeUs = performance.eventLoopUtilization(this.#loop).active * 1000;
    const { user, system } = process.cpuUsage(this.#cpu);
    const { arrival, dispatch, completion } = this.#handlerUs;
    const handlersUs = arrival + dispatch + completion;
    const share = (kind: MessageKind): number => {
      if (this.#counts[kind] === 0 || handlersUs === 0) return 0;
      return (activeUs * this.#handlerUs[kind]) / handlersUs / this.#counts[kind];
    };
    return {
      arrivalUs: share("arrival"),
      dispatchUs: share("dispatch"),
      completionUs: share("completion"),
      arrivals: this.#counts.arrival,
      dispatches: this.#counts.dispatch,
      completions: this.#counts.completion,
      activeUs,
      cpuUs: user + system,
    };
  }
}
