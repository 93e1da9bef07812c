/**
 * The parent's side of a child process: start, readiness, last output, end; and `KeptChild`, which
 * restarts a child that ends unasked.
 */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { Fault } from "../../core/fault.ts";
import { interruptBudget, optimisedAfter } from "../../core/interrupt-budget.ts";
import type { ChildMessage } from "./child-side.ts";

export interface ChildExit {
  readonly name: string;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it wrote to stderr. */
  readonly stderrTail: string;
}

export interface Child<Ready> {
  readonly name: string;
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

export interface ChildOptions {
  readonly name: string;
  /** Entry file relative to `cluster/`, without extension. */
  readonly entry: string;
  /** Sent over IPC; anything that can be cloned. */
  readonly specification: unknown;
  readonly readyTimeoutMs: number;
  readonly nodeOptions?: readonly string[];
  /** A command in front of node's own; it must become node, as `env` does. Default: none. */
  readonly command?: readonly string[];
  /** File to which stdout and stderr are appended. */
  readonly logFile?: string;
  /** Whether its output goes on to this process's own. Default: no. */
  readonly echo?: boolean;
  readonly onProgress?: (value: unknown) => void;
  /** Aborted before the process is ready, it ends the process. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * V8 starts with a young generation of 1 MiB, and collecting that so often took a fifth of a busy
 * gateway's processor time. A fixed size also keeps later growth from looking like a leak. Buffers
 * count as garbage of the old generation: without a minimum size, forty pictures of 150 KiB cause a
 * full collection, which took half of the processor time. Pretenuring is off, because after a slow
 * phase V8 allocates the objects of requests in the old generation: a quarter of a gateway's time.
 */
const HEAP = [
  "--min-semi-space-size=16",
  "--max-semi-space-size=16",
  "--initial-old-space-size=64",
  "--no-allocation-site-pretenuring",
];
/**
 * V8 optimises functions after a third of the calls that it waits for by default: a gateway under
 * little load otherwise took ten seconds, and a quarter more processor time, to become fast. Larger
 * inlining limits (V8's own are 460, 920 and 4600 bytes of bytecode: of one function, and of all
 * inlined into one, soft and hard) save 4 % of a message's time.
 */
const COMPILER = [
  ...interruptBudget(20_000, process.versions.node),
  ...optimisedAfter(900, process.versions.node),
  "--max-inlined-bytecode-size=800",
  "--max-inlined-bytecode-size-cumulative=8000",
  "--max-inlined-bytecode-size-absolute=40000",
];
const STDERR_TAIL = 4000;
/** Longer than a child's own limit (`child-side.ts`). */
const GRACE_MS = 12_000;

/** The compiled file of a process or thread; `name` is relative to `cluster/`, without extension. */
export function entryPoint(name: string): URL {
  const here = import.meta.url;
  // Tests run the sources, whose compiled files lie under dist/.
  const folder = here.endsWith(".ts") ? new URL("../../dist/cluster/", here) : new URL("../", here);
  return new URL(`${name}.js`, folder);
}

/** Resolves when the process is ready. Rejects with Fault("cluster-failure") and its last output. */
export async function startChild<Ready>(options: ChildOptions): Promise<Child<Ready>> {
  const { name } = options;
  const [execPath, ...execArgv] = [
    ...[...dyingWithParent(), ...(options.command ?? []), process.execPath],
    ...[...HEAP, ...COMPILER, ...(options.nodeOptions ?? [])],
  ];
  const child = fork(fileURLToPath(entryPoint(options.entry)), [], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
    execPath,
    execArgv,
  });
  const tail = keepTail(child, options.logFile, options.echo);
  const exited = new Promise<ChildExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ name, code, signal, stderrTail: tail() }));
  });
  let heard = 0;
  child.on("message", () => heard++);
  const stop = (): Promise<void> => end(child, exited);
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  const abandon = (): void => void stop();
  options.signal?.addEventListener("abort", abandon);
  try {
    if (options.signal?.aborted === true) abandon();
    const ready = await readiness<Ready>(child, options, exited, tail);
    // A child that has ended in the meantime needs no message.
    const send = (message: object): void => void child.send(message, () => undefined);
    return {
      ...{ name, pid: child.pid as number, ready, exited, send, stop, kill },
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

let dyingCommand: readonly string[] | undefined;

/**
 * A command under which the kernel kills the child with its parent (Linux only): a child that is
 * stopped by a signal at that moment could not end by itself.
 */
function dyingWithParent(): readonly string[] {
  if (dyingCommand === undefined) {
    const command = ["setpriv", "--pdeathsig", "KILL"];
    const { status } = spawnSync(command[0], [...command.slice(1), "true"], { stdio: "ignore" });
    dyingCommand = status === 0 ? command : [];
  }
  return dyingCommand;
}

function readiness<Ready>(
  child: ChildProcess,
  options: ChildOptions,
  exited: Promise<ChildExit>,
  tail: () => string,
): Promise<Ready> {
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
    child.once("error", (error) => fail(`did not start: ${error.message}`));
    exited.then(({ code, signal }) => fail(`ended with ${signal ?? `exit code ${code}`}`));
    child.on("message", (received) => {
      const message = received as ChildMessage<Ready>;
      if (message.kind === "ready") {
        clearTimeout(timer);
        resolve(message.value);
      } else if (message.kind === "failed") {
        fail(`failed: ${message.message}`, message.hint);
      } else if (message.kind === "progress") {
        options.onProgress?.(message.value);
      }
    });
    child.send(options.specification as object, (error) => {
      if (error !== null) fail(`took no specification: ${error.message}`);
    });
  });
}

function keepTail(child: ChildProcess, logFile?: string, echo = false): () => string {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
  });
  if (echo) {
    child.stdout?.pipe(process.stdout, { end: false });
    child.stderr?.pipe(process.stderr, { end: false });
  } else if (logFile === undefined) {
    child.stdout?.resume();
  } else {
    const file = createWriteStream(logFile, { flags: "a" });
    child.stdout?.pipe(file, { end: false });
    child.stderr?.pipe(file, { end: false });
    child.once("close", () => file.end());
  }
  return () => tail;
}

async function end(child: ChildProcess, exited: Promise<ChildExit>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await exited;
  clearTimeout(force);
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** A child that lived this long did not fail at its start. */
const YOUNG_MS = 5000;
const MAX_YOUNG_DEATHS = 20;

export interface KeptChildOptions<Ready> {
  readonly name: string;
  /** Called for each start. */
  readonly options: () => ChildOptions;
  readonly restart: boolean;
  /** Called after each start. */
  readonly onReady: (child: Child<Ready>) => void;
  /** Called when the child ended unasked. */
  readonly onExit: (exit: ChildExit) => void;
  readonly onEvent: (line: string) => void;
}

/**
 * A child that is restarted when it ends unasked, after a pause that grows while it dies young, and
 * given up after many such deaths in a row.
 */
export class KeptChild<Ready> {
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
    onReady(child);
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
    if (this.#youngDeaths >= MAX_YOUNG_DEATHS) {
      this.#tellLost(exit);
      return;
    }
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#youngDeaths++);
    this.#pause = setTimeout(() => {
      this.start().catch((error: Error) => {
        if (this.#stopping.signal.aborted) return;
        this.#options.onEvent(error.message);
        this.#startAgain(exit);
      });
    }, pauseMs);
  }
}
