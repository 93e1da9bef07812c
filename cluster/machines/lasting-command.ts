/** A command that is started again, after a pause that grows, when it ends unasked. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { dyingWithParent } from "../../build/dying-with-parent.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const STDERR_TAIL = 4000;

export interface LastingCommandOptions {
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
      onEvent(`${name} ended${said === "" ? "" : `: ${said}`}; made again`);
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
