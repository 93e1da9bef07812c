/** A child process from its parent's side: start, readiness, last words, end. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { Fault } from "../../core/fault.ts";
import { interruptBudget, optimisedAfter } from "../../core/interrupt-budget.ts";
import type { ChildMessage } from "./child-side.ts";
import { entryPoint } from "./entry-point.ts";

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
  /** Messages from it so far; one that runs says something each second. */
  readonly heard: number;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<ChildExit>;
  /** Sends it another message. */
  send(message: object): void;
  /** Ends it in order (SIGTERM), then by force. */
  stop(): Promise<void>;
  /** Ends it by force. */
  kill(): Promise<void>;
}

export interface ChildOptions {
  readonly name: string;
  /** Entry file relative to `cluster/`, without extension. */
  readonly entry: string;
  /** Sent over IPC; anything that can be cloned. */
  readonly specification: unknown;
  readonly readyTimeoutMs: number;
  /** Further options of node's. */
  readonly nodeOptions?: readonly string[];
  /** A command before node's own; it must become node, as `env` does. Default: none. */
  readonly command?: readonly string[];
  /** File that stdout and stderr are appended to. */
  readonly logFile?: string;
  readonly onProgress?: (value: unknown) => void;
  /** Gets the process as soon as there is one, before it is ready. */
  readonly onStart?: (stop: () => Promise<void>) => void;
  /** Aborted before the process is ready, it ends the process. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Room for what lives only as long as a request, from the start and for good: V8 by itself begins
 * with 1 MiB, and collecting it so often took a fifth of a busy gateway's processor time; and
 * memory that grows later cannot be told from a leak. Buffers count as garbage of the old generation:
 * without a least size of it, forty pictures of 150 KiB are enough for a full collection, which took
 * half of the processor time. And where many requests once were slow, V8 learns to make their objects
 * in the old generation from the start, which they all leave again: a quarter of a gateway's time.
 */
const HEAP = [
  "--min-semi-space-size=16",
  "--max-semi-space-size=16",
  "--initial-old-space-size=64",
  "--no-allocation-site-pretenuring",
];
/**
 * Functions are optimised after a third of the work that V8 waits for: a gateway under little load took
 * ten seconds until it was fast, and a quarter more processor time until then. More of what they call
 * is compiled into them than by V8's own limits (460, 920 and 4600 bytes of bytecode: of one function,
 * and of all in one, soft and hard): a message passes through many small ones, 4 % of its time.
 */
const COMPILER = [
  ...interruptBudget(20_000, process.versions.node),
  ...optimisedAfter(900, process.versions.node),
  "--max-inlined-bytecode-size=800",
  "--max-inlined-bytecode-size-cumulative=8000",
  "--max-inlined-bytecode-size-absolute=40000",
];
const STDERR_TAIL = 4000;
/** More than a child takes by itself at most, once it was told to end. */
const GRACE_MS = 12_000;

/** Starts a process and waits until it is ready. Throws Fault("cluster-failure") with its last words. */
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
  const tail = keepTail(child, options.logFile);
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
  options.onStart?.(stop);
  const abandon = (): void => void stop();
  options.signal?.addEventListener("abort", abandon);
  try {
    if (options.signal?.aborted === true) abandon();
    const ready = await readiness<Ready>(child, options, exited, tail);
    // Whoever is gone by now needs no message.
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
 * Where the system has it (Linux), a command under which the kernel kills the child with its
 * parent: a child that is stopped at that moment could not end by itself.
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

function keepTail(child: ChildProcess, logFile: string | undefined): () => string {
  let tail = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    tail = (tail + text).slice(-STDERR_TAIL);
  });
  if (logFile === undefined) {
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
