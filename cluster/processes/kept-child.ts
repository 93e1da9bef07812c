/**
 * A child process that is kept alive: started again whenever it ends unbidden, after a short pause
 * that grows while it dies young, and given up when it never lives.
 */
import { type Child, type ChildExit, type ChildOptions, startChild } from "./child.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** Who lived this long did not die of its start. */
const YOUNG_MS = 5000;
const MAX_YOUNG_DEATHS = 20;

export interface KeptChildOptions<Ready> {
  readonly name: string;
  /** What to start, asked each time. */
  readonly options: () => ChildOptions;
  readonly restart: boolean;
  /** It is ready, for the first time or again. */
  readonly onReady: (child: Child<Ready>) => void;
  /** It ended unbidden. */
  readonly onExit: (exit: ChildExit) => void;
  readonly onEvent: (line: string) => void;
}

export class KeptChild<Ready> {
  /** Resolves with its last end when it is not started again though nobody stopped it. */
  readonly lost: Promise<ChildExit>;
  readonly #options: KeptChildOptions<Ready>;
  #tellLost: (exit: ChildExit) => void = () => undefined;
  #child: Child<Ready> | null = null;
  #starting: Promise<void> = Promise.resolve();
  #stopStarting: () => Promise<void> = async () => undefined;
  #pause: NodeJS.Timeout | undefined;
  #stopped = false;
  #youngDeaths = 0;

  constructor(options: KeptChildOptions<Ready>) {
    this.#options = options;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
  }

  /** 0 before it was ready for the first time. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Messages from the present process. */
  get heard(): number {
    return this.#child?.heard ?? 0;
  }

  /** Sends the present process a message. */
  send(message: object): void {
    this.#child?.send(message);
  }

  /** Resolves when it is ready. Throws Fault("cluster-failure") when it does not come up. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Ends it, in order, for good. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#pause);
    await this.#stopStarting();
    await this.#starting.catch(() => undefined);
    await this.#child?.stop();
  }

  async #start(): Promise<void> {
    if (this.#stopped) return;
    const { name, options, onReady, onEvent } = this.#options;
    const child = await startChild<Ready>({
      ...options(),
      name,
      onStart: (stop) => {
        this.#stopStarting = stop;
      },
    });
    this.#child = child;
    const readyAt = performance.now();
    onReady(child);
    onEvent(`${name} ready, pid ${child.pid}`);
    child.exited.then((exit) => this.#exited(exit, performance.now() - readyAt));
  }

  #exited(exit: ChildExit, livedMs: number): void {
    if (this.#stopped) return;
    const { name, restart, onExit, onEvent } = this.#options;
    onEvent(`${name} ended with ${exit.signal ?? `exit code ${exit.code}`}`);
    onExit(exit);
    if (livedMs >= YOUNG_MS) this.#youngDeaths = 0;
    if (restart) this.#startAgain(exit);
    else this.#tellLost(exit);
  }

  #startAgain(exit: ChildExit): void {
    if (this.#youngDeaths >= MAX_YOUNG_DEATHS) {
      this.#tellLost(exit);
      return;
    }
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#youngDeaths++);
    this.#pause = setTimeout(() => {
      this.start().catch((error: Error) => {
        if (this.#stopped) return;
        this.#options.onEvent(error.message);
        this.#startAgain(exit);
      });
    }, pauseMs);
  }
}
