/** Notices processes that live and say nothing: they were stopped, or hang. */
import { Fault } from "../../core/fault.ts";

/** A process that says something each second as long as it runs. */
export interface Speaking {
  readonly name: string;
  readonly pid: number;
  /** What it said so far, counted. */
  readonly heard: number;
}

const LOOK_MS = 1000;

export class SilenceWatch {
  /** Rejects with Fault("cluster-failure") once one of them was silent for the bound. */
  readonly fallen: Promise<never>;
  readonly #timer: NodeJS.Timeout;

  constructor(processes: readonly Speaking[], boundMs: number) {
    const states = processes.map((speaking) => ({ speaking, heard: speaking.heard, looks: 0 }));
    let tell: (fault: Fault) => void = () => undefined;
    this.fallen = new Promise((_, reject) => {
      tell = reject;
    });
    this.fallen.catch(() => undefined);
    this.#timer = setInterval(() => {
      for (const state of states) {
        const { heard } = state.speaking;
        // Looks are counted, not time: whoever looks may have stood still as well.
        state.looks = heard === state.heard ? state.looks + 1 : 0;
        state.heard = heard;
        if (state.looks * LOOK_MS >= boundMs) tell(silent(state.speaking, boundMs));
      }
    }, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

function silent({ name, pid }: Speaking, boundMs: number): Fault {
  const message = `the ${name} (pid ${pid}) has said nothing for ${boundMs / 1000} s`;
  return new Fault("cluster-failure", message, {
    hint: "it was stopped, or has no processor: see to that, and run it again; nothing is kept",
  });
}
