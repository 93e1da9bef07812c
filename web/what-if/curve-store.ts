/** The page's curves: the latest answers of the simulator's thread, for React. */
import type { KeptScenario, ScenarioSource, SchedulerForm } from "../../library/browser.ts";
import { Store } from "../shared/store.ts";
import type { Choices, Effort } from "./choices.ts";
import type {
  CurveRequest,
  Description,
  Failure,
  FirstCurves,
  FromSimulator,
  PointResult,
  ToSimulator,
} from "./messages.ts";

export interface CurveState {
  readonly capacityPerS: number | null;
  /** By load. */
  readonly points: ReadonlyMap<number, PointResult>;
  readonly isWhole: boolean;
  readonly failure: Failure | null;
}

export interface Snapshot {
  readonly description: Description | null;
  /** Null until the first points are there. */
  readonly schedulers: readonly SchedulerForm[] | null;
  /** The scenario itself was refused. */
  readonly refusal: Failure | null;
  /** Ascending. */
  readonly loads: readonly number[];
  readonly curves: ReadonlyMap<string, CurveState>;
}

const EMPTY: CurveState = { capacityPerS: null, points: new Map(), isWhole: false, failure: null };
const NOTHING: Snapshot = {
  description: null,
  schedulers: null,
  refusal: null,
  loads: [],
  curves: new Map(),
};

export class CurveStore {
  readonly state = new Store<Snapshot>(NOTHING);
  readonly #port: MessagePort;
  /** The latest curves that the thread has not heard of, while it takes the ones before. */
  #next: ToSimulator | null = null;
  #isTaking = false;
  #written: ((text: string) => void)[] = [];

  /** `thread` runs `simulation-worker.ts`. */
  constructor(thread: Worker, source: ScenarioSource | KeptScenario, first: FirstCurves) {
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }) => this.#hear(data);
    thread.onerror = ({ message }) => {
      this.state.setSoon({ refusal: { message: `the simulator failed: ${message}`, issues: [] } });
    };
    thread.postMessage(null, [port2]);
    this.#post({ kind: "open", source, first });
  }

  /** All curves that are wanted from now on, the most urgent first. */
  draw(curves: readonly CurveRequest[], effort: Effort): void {
    this.#next = { kind: "draw", curves, effort };
    this.#send();
  }

  /** The text of a scenario with these choices, which gives the points of the curves. */
  write(choices: Choices, effort: Effort): Promise<string> {
    this.#post({ kind: "write", choices, effort });
    return new Promise((resolve) => this.#written.push(resolve));
  }

  close(): void {
    this.#post({ kind: "close" });
    this.#port.close();
  }

  /** One at a time: a slider that moves asks faster than scenarios are read. */
  #send(): void {
    if (this.#next === null || this.#isTaking) return;
    if (this.state.snapshot().description === null) return;
    this.#post(this.#next);
    this.#next = null;
    this.#isTaking = true;
  }

  #post(message: ToSimulator): void {
    this.#port.postMessage(message);
  }

  #hear(message: FromSimulator): void {
    switch (message.kind) {
      case "opened":
        this.state.setSoon({ description: message.description });
        this.#send();
        break;
      case "schedulers":
        // The controls take long to make: the frame with the first curve comes before.
        requestAnimationFrame(() => this.state.setSoon({ schedulers: message.schedulers }));
        break;
      case "refused":
        this.state.setSoon({ refusal: message.failure });
        break;
      case "loads":
        this.state.setSoon({ loads: message.loads, curves: this.#refused() });
        break;
      case "taken":
        this.#isTaking = false;
        this.#send();
        break;
      case "started":
        this.#change(message.key, { ...EMPTY, capacityPerS: message.capacityPerS });
        break;
      case "points":
        for (const { key, load, result } of message.points) {
          const { points } = this.state.snapshot().curves.get(key) ?? EMPTY;
          this.#change(key, { points: new Map(points).set(load, result) });
        }
        break;
      case "finished":
        this.#change(message.key, { isWhole: true });
        break;
      case "failed":
        this.#change(message.key, { ...EMPTY, failure: message.failure });
        break;
      case "written":
        this.#written.shift()?.(message.text);
    }
  }

  /** Configurations that cannot be, at any load. */
  #refused(): Snapshot["curves"] {
    return new Map([...this.state.snapshot().curves].filter(([, { failure }]) => failure !== null));
  }

  #change(key: string, change: Partial<CurveState>): void {
    const { curves } = this.state.snapshot();
    const curve = { ...(curves.get(key) ?? EMPTY), ...change };
    this.state.setSoon({ curves: new Map(curves).set(key, curve) });
  }
}
