/**
 * Commands of clients such as ssh and srun: one that runs to its end, with its failures explained, and one that
 * is started again when it ends.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { Fault } from "../../engine/basics/fault.ts";
import { dyingWithParent } from "../processes/link.ts";

export interface ToolOptions {
  /** The next step where the program is not installed. */
  readonly missing: string;
  /** Its standard input, or what writes that. Default: empty. */
  readonly feed?: string | ((input: NodeJS.WritableStream) => Promise<void>) | undefined;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface ToolOutput {
  readonly stdout: string;
  readonly stderr: string;
  /** Null: a signal, such as that of the timeout, has ended it. */
  readonly code: number | null;
}

const MOST_OUTPUT = 1_000_000;

/**
 * Resolves with the command's end, whatever its code is. Rejects with Fault("not-found") for a program that is not
 * installed, Fault("interrupted") after the signal.
 */
export async function runTool(
  command: readonly string[],
  { missing, feed = "", timeoutMs = 0, signal }: ToolOptions,
): Promise<ToolOutput> {
  const wrapper = dyingWithParent();
  const [program, ...words] = [...wrapper, ...command];
  const child = spawn(program, words, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    timeout: timeoutMs,
    ...(signal === undefined ? {} : { signal }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-MOST_OUTPUT);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MOST_OUTPUT);
  });
  // A command that ends early does not read all.
  child.stdin.on("error", () => undefined);
  const notFound = (cause?: Error): Fault =>
    new Fault("not-found", `cannot run ${command[0]}`, { hint: missing, cause });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) =>
      reject(
        cause.name === "AbortError"
          ? new Fault("interrupted", "interrupted", { cause })
          : notFound(cause),
      ),
    );
    child.once("close", resolve);
  });
  if (typeof feed === "string") child.stdin.end(feed);
  else await Promise.race([feed(child.stdin), ended]);
  const code = await ended;
  if (stderr.startsWith(`${wrapper[0]}: failed to execute`)) throw notFound();
  return { stdout, stderr, code };
}

/** A client's words, by a pattern; what they mean; the next step. */
export type KnownFailure = readonly [pattern: RegExp, meaning: string, hint: string];

/** Explains a failure by the line that is known, else as `other` says with the last line. */
export function toolFault(
  machine: string,
  stderr: string,
  known: readonly KnownFailure[],
  [meaning, hint]: readonly [meaning: string, hint: string],
): Fault {
  const lines = stderr.trim().split("\n");
  const found = known.find(([pattern]) => pattern.test(stderr));
  const line = lines.findLast((one) => found?.[0].test(one)) ?? lines.at(-1) ?? "";
  const message = `${machine}: ${found?.[1] ?? meaning}${line === "" ? "" : `: ${line}`}`;
  return new Fault("cluster-failure", message, { hint: found?.[2] ?? hint });
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const STDERR_TAIL = 4000;

interface LastingCommandOptions {
  /** In the lines of events, e.g. `the tunnel to box1`. */
  readonly name: string;
  /** Asked before each start. */
  readonly command: () => readonly string[];
  readonly onStart?: (child: ChildProcessWithoutNullStreams) => void;
  readonly onEvent: (line: string) => void;
}

export function lastingCommand({ name, command, onStart, onEvent }: LastingCommandOptions) {
  let current: ChildProcessWithoutNullStreams | null = null;
  let stderr = "";
  let pauseMs = FIRST_PAUSE_MS;
  let pause: NodeJS.Timeout | undefined;
  let closed = false;

  /** Starts it in place of the process that there is. */
  function start(): void {
    clearTimeout(pause);
    const former = current;
    current = null;
    former?.kill();
    if (closed) return;
    const [program, ...words] = [...dyingWithParent(), ...command()];
    // A session of its own: the terminal's Ctrl-C is not for it, and it cannot ask for a password.
    const child = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    current = child;
    stderr = "";
    child.stdin.on("error", () => undefined);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (current === child) stderr = (stderr + text).slice(-STDERR_TAIL);
    });
    const ended = (): void => {
      if (closed || current !== child) return;
      current = null;
      const said = stderr.trim().split("\n").at(-1) ?? "";
      onEvent(`${name} ended${said === "" ? "" : `: ${said}`}; tried again in ${pauseMs / 1000} s`);
      pause = setTimeout(start, pauseMs);
      pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs);
    };
    child.once("error", ended).once("exit", ended);
    onStart?.(child);
  }

  return {
    start,
    /** Whether it has been started, and has not ended. */
    runs: () => current !== null,
    /** The end of what the current process wrote to stderr. */
    stderr: () => stderr,
    /** The command does its work: the next pause is short again. */
    works() {
      pauseMs = FIRST_PAUSE_MS;
    },
    close() {
      closed = true;
      clearTimeout(pause);
      current?.kill();
    },
  };
}

export type LastingCommand = ReturnType<typeof lastingCommand>;
