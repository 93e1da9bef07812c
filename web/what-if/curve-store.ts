/** What the page knows of its curves: the latest answers of the simulator's thread, for React. */
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
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
  /** The scenario itself was refused. */
  readonly refusal: Failure | null;
  /** Ascending. */
  readonly loads: readonly number[];
  readonly curves: ReadonlyMap<string, CurveState>;
}

/** The part of a worker that is used. */
export interface Thread {
  postMessage(message: ToSimulator): void;
  terminate(): void;
  onmessage: ((event: MessageEvent<FromSimulator>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
}

const EMPTY: CurveState = { capacityPerS: null, points: new Map(), isWhole: false, failure: null };
const NOTHING: Snapshot = { description: null, refusal: null, loads: [], curves: new Map() };

export class CurveStore {
  readonly #thread: Thread;
  readonly #listeners = new Set<() => void>();
  #now: Snapshot = NOTHING;
  #isAnnounced = false;
  /** The latest curves that the thread has not heard of, while it takes the ones before. */
  #next: ToSimulator | null = null;
  #isTaking = false;
  #written: ((text: string) => void)[] = [];

  constructor(thread: Thread, source: ScenarioSource | KeptScenario, first: FirstCurves) {
    this.#thread = thread;
    thread.onmessage = ({ data }) => this.#hear(data);
    thread.onerror = ({ message }) => {
      this.#set({ refusal: { message: `the simulator failed: ${message}`, issues: [] } });
    };
    thread.postMessage({ kind: "open", source, first });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Snapshot => this.#now;

  /** All curves that are wanted from now on, the most urgent first. */
  draw(curves: readonly CurveRequest[], effort: Effort): void {
    this.#next = { kind: "draw", curves, effort };
    this.#send();
  }

  /** The text of a scenario with these choices, which gives the points of the curves. */
  write(choices: Choices, effort: Effort): Promise<string> {
    this.#thread.postMessage({ kind: "write", choices, effort });
    return new Promise((resolve) => this.#written.push(resolve));
  }

  close(): void {
    this.#thread.terminate();
  }

  /** One at a time: a slider that moves asks faster than scenarios are read. */
  #send(): void {
    if (this.#next === null || this.#isTaking || this.#now.description === null) return;
    this.#thread.postMessage(this.#next);
    this.#next = null;
    this.#isTaking = true;
  }

  #hear(message: FromSimulator): void {
    switch (message.kind) {
      case "opened":
        this.#set({ description: message.description });
        this.#send();
        break;
      case "refused":
        this.#set({ refusal: message.failure });
        break;
      case "loads":
        this.#set({ loads: message.loads, curves: this.#refused() });
        break;
      case "taken":
        this.#isTaking = false;
        this.#send();
        break;
      case "started":
        this.#change(message.key, { ...EMPTY, capacityPerS: message.capacityPerS });
        break;
      case "point": {
        const { points } = this.#now.curves.get(message.key) ?? EMPTY;
        const { load, result } = message;
        this.#change(message.key, { points: new Map(points).set(load, result) });
        break;
      }
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
    return new Map([...this.#now.curves].filter(([, { failure }]) => failure !== null));
  }

  #change(key: string, change: Partial<CurveState>): void {
    const curve = { ...(this.#now.curves.get(key) ?? EMPTY), ...change };
    this.#set({ curves: new Map(this.#now.curves).set(key, curve) });
  }

  /** React hears of many points at once, before the next frame. */
  #set(change: Partial<Snapshot>): void {
    this.#now = { ...this.#now, ...change };
    if (this.#isAnnounced) return;
    this.#isAnnounced = true;
    requestAnimationFrame(() => {
      this.#isAnnounced = false;
      for (const listener of this.#listeners) listener();
    });
  }
}
