/**
 * The child's side of a child process: it receives its specification, reports that it is ready, and exits
 * when its parent is gone, however the parent died. Its channel is Node's IPC, or with `--stdio` its standard
 * input and output, for a child on another machine. Both sides take the form of messages from here.
 */
import { Fault, type FaultCode, type Issue } from "../../engine/basics/fault.ts";

/** Parent to child. */
export type ParentMessage =
  | { readonly kind: "message"; readonly value: unknown }
  /** From now on, a parent that is silent for so long is gone. */
  | { readonly kind: "lease"; readonly ms: number }
  | { readonly kind: "alive" }
  | { readonly kind: "stop" };

/**
 * Standard input and output carry JSON text sequences (RFC 7464), one message each. A record separator begins a message,
 * so a reader finds the next one after anything else that a login shell or a library writes.
 */
const SEPARATOR = "\x1e";
/** Characters of a line that no channel needs. */
const MOST_CHARACTERS = 2 ** 28;

export function encodeMessage(message: unknown): string {
  return `${SEPARATOR}${JSON.stringify(message)}\n`;
}

interface MessageListener {
  /** A whole message. */
  message(value: unknown): void;
  /** Text beside messages. */
  noise(text: string): void;
}

/** Takes text in pieces and finds the messages in it, at the end of each line. */
export function messageReader({ message, noise }: MessageListener): (piece: string) => void {
  let line: string[] = [];
  let characters = 0;
  const end = (): void => {
    const [before, ...texts] = line.join("").split(SEPARATOR);
    if (texts.length === 0) noise(`${before}\n`);
    else if (before !== "") noise(before);
    for (const text of texts) {
      let value: unknown;
      try {
        value = JSON.parse(text);
      } catch {
        // Cut short, or mixed with other text.
        noise(`${text}\n`);
        continue;
      }
      message(value);
    }
  };
  return (piece) => {
    for (const [i, text] of piece.split("\n").entries()) {
      if (i > 0) {
        end();
        line = [];
        characters = 0;
      }
      characters += text.length;
      if (characters <= MOST_CHARACTERS) line.push(text);
    }
  };
}

/** An error, for another process or thread. */
export interface FailureMessage {
  readonly kind: "failed";
  readonly message: string;
  /** Absent for a bug. */
  readonly code?: FaultCode;
  readonly hint?: string | undefined;
  readonly issues?: readonly Issue[];
}

export type ChildMessage<Ready> =
  /** `pid` is the child's own: a command such as ssh has another. */
  | { readonly kind: "ready"; readonly value: Ready; readonly pid: number }
  | FailureMessage
  | { readonly kind: "progress"; readonly value: unknown }
  | { readonly kind: "alive" };

/** Time to end in order after SIGTERM. */
const DRAIN_MS = 10_000;
/** Interval of "alive" messages. */
const ALIVE_MS = 1000;

/** The way to the parent. */
interface ParentChannel {
  readonly isOpen: boolean;
  /** Calls `then` once the message has left. */
  send(message: object, then?: () => void): void;
  onMessage(listener: (message: unknown) => void): void;
  onGone(listener: () => void): void;
  /** Called when the parent asks the child to stop. Without a listener, it stops at once. */
  onStop(listener: () => void): void;
}

const OVER_STDIO = process.argv.includes("--stdio");
/** The file descriptor for logs: with `--stdio`, standard output carries messages. */
export const LOG_FD = OVER_STDIO ? 2 : 1;

const ipc: ParentChannel = {
  get isOpen() {
    return process.connected === true;
  },
  send: (message, then) => void process.send?.(message, undefined, {}, () => then?.()),
  onMessage: (listener) => void process.on("message", listener),
  onGone: (listener) => void process.once("disconnect", listener),
  onStop: (listener) => void process.once("SIGTERM", listener),
};

const TICK_MS = 1000;

/** The parent sends something each second; one that was silent for a lease is gone. */
function stdioChannel(): ParentChannel {
  const listeners: ((message: unknown) => void)[] = [];
  let [isOpen, gone, stop] = [true, (): void => undefined, (): void => process.exit(0)];
  let leaseMs = Number.POSITIVE_INFINITY;
  // Counts ticks, not time: a process that was stopped hears its parent first.
  let silentTicks = 0;
  const end = (): void => {
    isOpen = false;
    gone();
  };
  const read = messageReader({
    message(given) {
      const message = given as ParentMessage;
      if (message.kind === "lease") leaseMs = message.ms;
      else if (message.kind === "stop") stop();
      else if (message.kind === "message") {
        // A listener may add another, for later messages.
        for (const listener of [...listeners]) listener(message.value);
      }
    },
    noise: () => undefined,
  });
  process.stdin.setEncoding("utf8").on("data", (text: string) => {
    silentTicks = 0;
    read(text);
  });
  process.stdin.on("end", end).on("error", end);
  process.stdout.on("error", end);
  setInterval(() => {
    if (++silentTicks * TICK_MS <= leaseMs) return;
    process.stderr.write(`nothing was heard of the parent for ${leaseMs / 1000} s\n`);
    end();
  }, TICK_MS).unref();
  return {
    get isOpen() {
      return isOpen;
    },
    send: (message, then) => void process.stdout.write(encodeMessage(message), () => then?.()),
    onMessage: (listener) => void listeners.push(listener),
    onGone(listener) {
      gone = listener;
    },
    onStop(listener) {
      stop = listener;
      process.once("SIGTERM", listener);
    },
  };
}

let opened: ParentChannel | undefined;

/** Opened once: it takes standard input for itself. */
function channel(): ParentChannel {
  opened ??= OVER_STDIO ? stdioChannel() : ipc;
  return opened;
}

/**
 * Runs a child: `start` takes the specification and returns the report and the stop function. The
 * child stops on SIGTERM and exits at once when the parent is gone. It ignores SIGINT, because a
 * terminal sends that to the whole process group and the parent handles it.
 */
export function runChild<Specification, Ready>(
  start: (specification: Specification) => Promise<{ ready: Ready; stop: () => Promise<void> }>,
): void {
  const parent = channel();
  process.on("SIGINT", () => undefined);
  parent.onGone(() => process.exit(0));
  let started = false;
  parent.onMessage((specification) => {
    if (started) return;
    started = true;
    start(specification as Specification).then(({ ready, stop }) => {
      let stopping = false;
      parent.onStop(() => {
        if (stopping) return;
        stopping = true;
        process.on("SIGTERM", () => undefined);
        setTimeout(() => process.exit(1), DRAIN_MS).unref();
        stop().then(() => process.exit(0), fail);
      });
      report({ kind: "ready", value: ready, pid: process.pid });
      setInterval(() => report({ kind: "alive" }), ALIVE_MS).unref();
    }, fail);
  });
  if (!parent.isOpen) process.exit(0);
}

/** Calls `listener` with each message of the parent that comes from now on. */
export function onParentMessage(listener: (message: unknown) => void): void {
  channel().onMessage(listener);
}

/** Progress of a child elsewhere: text for the parent's file or endpoint. */
export interface FileText {
  readonly appendTo: "record" | "trace";
  readonly text: string;
}

/** Writes to a file of the parent's machine. */
export const toParent = (file: FileText["appendTo"]) => (text: string) =>
  reportProgress({ appendTo: file, text } satisfies FileText);

export function reportProgress(value: unknown): void {
  report({ kind: "progress", value });
}

function report<Ready>(message: ChildMessage<Ready>, then?: () => void): void {
  if (channel().isOpen) channel().send(message, then);
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
  report(failureMessage(error), () => process.exit(1));
}

export function failureMessage(error: unknown): FailureMessage {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Fault)) return { kind: "failed", message };
  const { code, hint, issues } = error;
  return { kind: "failed", message, code, hint, issues };
}
