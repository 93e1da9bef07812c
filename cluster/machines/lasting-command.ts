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

export class LastingCommand {
  readonly #options: LastingCommandOptions;
  #child: ChildProcessWithoutNullStreams | null = null;
  #stderr = "";
  #pauseMs = FIRST_PAUSE_MS;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LastingCommandOptions) {
    this.#options = options;
  }

  /** Whether it has been started, and has not ended. */
  get runs(): boolean {
    return this.#child !== null;
  }

  /** The end of what the current process wrote to stderr. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Starts it in place of the process that there is. */
  start(): void {
    clearTimeout(this.#pause);
    const former = this.#child;
    this.#child = null;
    former?.kill();
    if (this.#closed) return;
    const { command, onStart } = this.#options;
    const [program, ...words] = [...dyingWithParent(), ...command()];
    // A session of its own: the terminal's Ctrl-C is not for it, and it cannot ask for a password.
    const child = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.#child = child;
    this.#stderr = "";
    child.stdin.on("error", () => undefined);
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#child === child) this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
    });
    child.once("error", () => this.#ended(child));
    child.once("exit", () => this.#ended(child));
    onStart?.(child);
  }

  /** The command does its work: the next pause is short again. */
  works(): void {
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#child?.kill();
  }

  #ended(child: ChildProcessWithoutNullStreams): void {
    if (this.#closed || this.#child !== child) return;
    this.#child = null;
    const said = this.#stderr.trim().split("\n").at(-1) ?? "";
    this.#options.onEvent(
      `${this.#options.name} ended${said === "" ? "" : `: ${said}`}; made again`,
    );
    this.#pause = setTimeout(() => this.start(), this.#pauseMs);
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
  }
}
