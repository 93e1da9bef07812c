/**
 * The parent's side of a child process: start, readiness, last output, end; `KeptChild`, which restarts a child that ends
 * unasked; and waits that end early, on Ctrl-C or when such a process falls silent.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { Fault } from "../../engine/basics/fault.ts";
import type { ChildMessage } from "./child-side.ts";
import {
  type ElsewhereOptions,
  type HereOptions,
  type Link,
  linkElsewhere,
  linkHere,
} from "./link.ts";

export interface ChildExit {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to stderr. */
  readonly stderrTail: string;
}

export interface Child<Ready> {
  readonly name: string;
  /** On its own machine. */
  readonly pid: number;
  readonly ready: Ready;
  /** Messages from the child so far; a running child sends one each second. */
  readonly heard: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<ChildExit>;
  send(message: object): void;
  /** Ends the child by SIGTERM, after a grace period by SIGKILL. */
  stop(): Promise<void>;
  /** Ends the child by SIGKILL. */
  kill(): Promise<void>;
}

export interface ChildOptions extends HereOptions {
  readonly name: string;
  /** Sent to the child: anything that can be cloned, or JSON for one elsewhere. */
  readonly specification: unknown;
  readonly readyTimeoutMs: number;
  /** A child elsewhere, which takes the place of `entry` and `nodeOptions`. */
  readonly elsewhere?: ElsewhereOptions | undefined;
  /** File to which stdout and stderr are appended. */
  readonly logFile?: string | undefined;
  /** Whether its output goes on to this process's own. Default: no. */
  readonly echo?: boolean;
  readonly onProgress?: (value: unknown) => void;
  /** Aborted before the process is ready, it ends the process. */
  readonly signal?: AbortSignal | undefined;
}

const STDERR_TAIL = 4000;
const LAST_WORDS_MS = 1000;
/** Longer than a child's own limit (`child-side.ts`). */
const GRACE_MS = 12_000;

/** Resolves when the process is ready. Rejects with Fault("cluster-failure") and its last output. */
export async function startChild<Ready>(options: ChildOptions): Promise<Child<Ready>> {
  const { name } = options;
  const link =
    options.elsewhere === undefined ? linkHere(options) : linkElsewhere(options.elsewhere);
  const { child } = link;
  const tail = keepTail(link, options);
  // The last messages of a child elsewhere may come after its command's exit, whose own children may hold the pipes.
  const end = options.elsewhere === undefined ? "exit" : "close";
  if (end === "close") {
    child.once("exit", () => {
      setTimeout(() => [child.stdout, child.stderr].map((pipe) => pipe?.destroy()), LAST_WORDS_MS);
    });
  }
  const exited = new Promise<ChildExit>((resolve) => {
    child.once(end, (code, signal) => resolve({ name, code, signal, stderrTail: tail() }));
  });
  let heard = 0;
  link.onMessage(() => heard++);
  const stop = (): Promise<void> => endInOrder(link, exited);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  const abandon = (): void => void stop();
  options.signal?.addEventListener("abort", abandon);
  try {
    if (options.signal?.aborted === true) abandon();
    const { pid, value: ready } = await readiness<Ready>(link, options, exited, tail);
    // A child that has ended in the meantime needs no message.
    const send = (message: object): void => link.send(message, () => undefined);
    return {
      name,
      pid,
      ready,
      exited,
      send,
      stop,
      kill,
      get heard() {
        return heard;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", abandon);
  }
}

function readiness<Ready>(
  link: Link,
  options: ChildOptions,
  exited: Promise<ChildExit>,
  tail: () => string,
): Promise<Extract<ChildMessage<Ready>, { kind: "ready" }>> {
  const { name, readyTimeoutMs } = options;
  return new Promise((resolve, reject) => {
    const fail = (what: string, hint?: string): void => {
      clearTimeout(timer);
      const words = tail().trim();
      const lastWords = words === "" ? "it wrote nothing to stderr" : `its stderr ends: ${words}`;
      reject(new Fault("cluster-failure", `${name} ${what}`, { hint: hint ?? lastWords }));
    };
    const timer = setTimeout(
      () => fail(`was not ready within ${readyTimeoutMs / 1000} s`),
      readyTimeoutMs,
    );
    link.child.once("error", (error) => fail(`did not start: ${error.message}`));
    exited.then(({ code, signal }) => fail(`ended with ${signal ?? `exit code ${code}`}`));
    link.onMessage((received) => {
      const message = received as ChildMessage<Ready>;
      if (message.kind === "ready") {
        clearTimeout(timer);
        resolve(message);
      } else if (message.kind === "failed") {
        fail(`failed: ${message.message}`, message.hint);
      } else if (message.kind === "progress") {
        options.onProgress?.(message.value);
      }
    });
    link.send(options.specification as object, (error) => {
      if (error !== null) fail(`took no specification: ${error.message}`);
    });
  });
}

function keepTail(
  { child, onOutput }: Link,
  { name, logFile, echo = false }: ChildOptions,
): () => string {
  let tail = "";
  const file = logFile === undefined ? null : createWriteStream(logFile, { flags: "a" });
  // A full disk must not end the parent, and all its children with it.
  file?.on("error", ({ message }) => {
    process.stderr.write(`the output of ${name} is not kept: ${message}\n`);
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
    file?.write(text);
    if (echo) process.stderr.write(text);
  });
  onOutput((text) => {
    file?.write(text);
    if (echo) process.stdout.write(text);
  });
  child.once("close", () => file?.end());
  return () => tail;
}

async function endInOrder({ child, askToStop }: Link, exited: Promise<ChildExit>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  askToStop();
  const force = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(force);
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const PATIENT_PAUSE_MS = 5000;
/** A child that lived this long did not fail at its start. */
const YOUNG_MS = 5000;
const MAX_YOUNG_DEATHS = 20;

interface KeptChildOptions<Ready> {
  readonly name: string;
  /** Called for each start. */
  readonly options: () => ChildOptions;
  readonly restart: boolean;
  /** Never given up: a machine may be away for hours. Default false. */
  readonly patient?: boolean;
  /** Called after each start; one that it rejects for is stopped. */
  readonly onReady: (child: Child<Ready>) => void | Promise<void>;
  /** Called when the child ended unasked. */
  readonly onExit: (exit: ChildExit) => void;
  readonly onEvent: (line: string) => void;
}

/**
 * A child that is restarted when it ends unasked, after a pause that grows while it dies young, and
 * given up after many such deaths in a row, unless it is patient.
 */
export class KeptChild<Ready> implements Speaking {
  /** Resolves with the last exit when the child is given up. */
  readonly lost: Promise<ChildExit>;
  readonly #options: KeptChildOptions<Ready>;
  #tellLost: (exit: ChildExit) => void = () => undefined;
  #child: Child<Ready> | null = null;
  #starting: Promise<void> = Promise.resolve();
  readonly #stopping = new AbortController();
  #pause: NodeJS.Timeout | undefined;
  #youngDeaths = 0;

  constructor(options: KeptChildOptions<Ready>) {
    this.#options = options;
    this.lost = new Promise((resolve) => {
      this.#tellLost = resolve;
    });
  }

  get name(): string {
    return this.#options.name;
  }

  /** 0 before the first start. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Messages from the current process. */
  get heard(): number {
    return this.#child?.heard ?? 0;
  }

  send(message: object): void {
    this.#child?.send(message);
  }

  /** Resolves when the child is ready. Rejects with Fault("cluster-failure"). */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#pause);
    await this.#starting.catch(() => undefined);
    await this.#child?.stop();
  }

  async #start(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    const { name, options, onReady, onEvent } = this.#options;
    const own = options();
    const signals = [this.#stopping.signal, ...(own.signal === undefined ? [] : [own.signal])];
    const child = await startChild<Ready>({ ...own, name, signal: AbortSignal.any(signals) });
    this.#child = child;
    const readyAt = performance.now();
    try {
      await onReady(child);
    } catch (error) {
      await child.stop();
      throw error;
    }
    onEvent(`${name} ready, pid ${child.pid}`);
    child.exited.then((exit) => this.#exited(exit, performance.now() - readyAt));
  }

  #exited(exit: ChildExit, livedMs: number): void {
    if (this.#stopping.signal.aborted) return;
    const { name, restart, onExit, onEvent } = this.#options;
    onEvent(`${name} ended with ${exit.signal ?? `exit code ${exit.code}`}`);
    onExit(exit);
    if (livedMs >= YOUNG_MS) this.#youngDeaths = 0;
    if (restart) this.#startAgain(exit);
    else this.#tellLost(exit);
  }

  #startAgain(exit: ChildExit): void {
    const { patient = false } = this.#options;
    if (this.#youngDeaths >= MAX_YOUNG_DEATHS && !patient) {
      this.#tellLost(exit);
      return;
    }
    const longestMs = patient ? PATIENT_PAUSE_MS : LONGEST_PAUSE_MS;
    const pauseMs = Math.min(longestMs, FIRST_PAUSE_MS * 2 ** this.#youngDeaths++);
    this.#pause = setTimeout(() => {
      this.start().catch((error: Error) => {
        if (this.#stopping.signal.aborted) return;
        this.#options.onEvent(error.message);
        this.#startAgain(exit);
      });
    }, pauseMs);
  }
}

/**
 * Settles as `work` does; rejects with Fault("interrupted") as soon as the signal is aborted. The
 * work itself goes on: the caller stops the resources that it uses.
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  if (signal === undefined) return work;
  const over = new AbortController();
  const aborted = signal.aborted
    ? Promise.resolve()
    : once(signal, "abort", { signal: over.signal });
  const interrupted = aborted.then((): never => {
    throw new Fault("interrupted", "interrupted");
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    over.abort();
  }
}

/** A process that sends a message each second while it runs. */
export interface Speaking {
  readonly name: string;
  readonly pid: number;
  /** Messages so far. */
  readonly heard: number;
}

const LOOK_MS = 1000;

/**
 * Notices processes that are alive and silent: stopped by a signal, or hanging. `fallen` rejects with
 * Fault("cluster-failure") once a process was silent for the bound.
 */
export function watchSilence(processes: readonly Speaking[], boundMs: number) {
  const states = processes.map((speaking) => ({ speaking, heard: speaking.heard, looks: 0 }));
  let timer: NodeJS.Timeout | undefined;
  const fallen = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      for (const state of states) {
        const { heard, name, pid } = state.speaking;
        // The watch counts looks, not time, because its own process may have been stopped too.
        state.looks = heard === state.heard ? state.looks + 1 : 0;
        state.heard = heard;
        if (state.looks * LOOK_MS < boundMs) continue;
        const message = `the ${name} (pid ${pid}) has said nothing for ${boundMs / 1000} s`;
        const hint =
          "it was stopped, or has no processor: see to that, and run it again; nothing is kept";
        reject(new Fault("cluster-failure", message, { hint }));
      }
    }, LOOK_MS);
  });
  fallen.catch(() => undefined);
  return { fallen, stop: () => clearInterval(timer) };
}
