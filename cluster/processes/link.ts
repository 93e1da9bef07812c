/** A child process and its channel: forked here, or a command whose other end is elsewhere. */
import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { interruptBudget, MORE_INLINING, optimisedAfter } from "../../engine/basics/hot-path.ts";
import {
  type ChildMessage,
  encodeMessage,
  messageReader,
  type ParentMessage,
} from "./child-side.ts";

export interface ElsewhereOptions {
  /** Runs here; its standard input and output are the child's channel. */
  readonly command: readonly string[];
  /** Either side ends when it has not heard of the other for so long. */
  readonly leaseMs: number;
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
 * Options of Node for a child, by the version of Node that runs it. V8 optimises functions after a third of the calls
 * that it waits for by default: a gateway under little load otherwise took ten seconds, and a quarter more processor
 * time, to become fast. More inlining saves 4 % of a message's time.
 */
export function nodeFlags(version: string): readonly string[] {
  return [
    ...HEAP,
    ...interruptBudget(20_000, version),
    ...optimisedAfter(900, version),
    ...MORE_INLINING,
  ];
}

/** The compiled file of a thread; `name` is relative to `cluster/`, without extension. */
export function entryPoint(name: string): URL {
  const here = import.meta.url;
  // Tests run the sources, whose compiled files lie under dist/.
  const folder = here.endsWith(".ts") ? new URL("../../dist/cluster/", here) : new URL("../", here);
  return new URL(`${name}.js`, folder);
}

/** The file of a process in the bundle (`build/make-cluster-bundle.mjs`); `name` as above. */
export function bundledProcess(name: string): string {
  return fileURLToPath(new URL(`../../cluster-bundle/cluster/${name}.js`, entryPoint(name)));
}

export interface HereOptions {
  /** Entry file relative to `cluster/`, without extension. */
  readonly entry: "gateway/main" | "load/main" | "worker/main";
  readonly nodeOptions?: readonly string[];
}

export interface Link {
  readonly child: ChildProcess;
  /** Calls `sent` with the error, or null, once the message has left. */
  send(message: object, sent: (error: Error | null) => void): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Text beside messages on standard output. */
  onOutput(listener: (text: string) => void): void;
  askToStop(): void;
}

let canDie: boolean | undefined;

/**
 * A command under which the kernel kills the child when its parent dies (Linux only; elsewhere
 * nothing): a child that is stopped at that moment could not end by itself.
 */
export function dyingWithParent(): readonly string[] {
  const command = ["setpriv", "--pdeathsig", "KILL"];
  canDie ??= spawnSync(command[0], [...command.slice(1), "true"], { stdio: "ignore" }).status === 0;
  return canDie ? command : [];
}

export function linkHere(options: HereOptions): Link {
  const [execPath, ...execArgv] = [
    ...[...dyingWithParent(), process.execPath],
    ...[...nodeFlags(process.versions.node), ...(options.nodeOptions ?? [])],
  ];
  const child = fork(bundledProcess(options.entry), [], {
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    serialization: "advanced",
    execPath,
    execArgv,
  });
  return {
    child,
    send: (message, sent) => void child.send(message, sent),
    onMessage: (listener) => void child.on("message", listener),
    onOutput: (listener) => void child.stdout?.setEncoding("utf8").on("data", listener),
    askToStop: () => void child.kill("SIGTERM"),
  };
}

const BEAT_MS = 1000;

/** Sends a sign of life each second, and ends a command that sends none back for the lease. */
export function linkElsewhere({ command, leaseMs }: ElsewhereOptions): Link {
  const [program, ...words] = [...dyingWithParent(), ...command];
  // A session of its own: the terminal's Ctrl-C is not for it, and it cannot ask for a password.
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  const messages: ((message: unknown) => void)[] = [];
  const outputs: ((text: string) => void)[] = [];
  let silentBeats = 0;
  const reader = messageReader({
    message: (message) => {
      silentBeats = 0;
      for (const listener of messages) listener(message);
    },
    noise: (text) => {
      for (const listener of outputs) listener(text);
    },
  });
  child.stdout.setEncoding("utf8").on("data", reader);
  child.stdin.on("error", () => undefined);
  const write = (message: ParentMessage, sent: (error: Error | null) => void = () => undefined) => {
    child.stdin.write(encodeMessage(message), (error) => sent(error ?? null));
  };
  write({ kind: "lease", ms: leaseMs });
  const beats = setInterval(() => {
    write({ kind: "alive" });
    // Until it is ready, a child has other bounds.
    if (ready && ++silentBeats * BEAT_MS > leaseMs) child.kill("SIGKILL");
  }, BEAT_MS);
  let ready = false;
  messages.push((message) => {
    if ((message as ChildMessage<unknown>).kind === "ready") ready = true;
  });
  child.once("exit", () => clearInterval(beats));
  child.once("error", () => clearInterval(beats));
  return {
    child,
    send: (value, sent) => write({ kind: "message", value }, sent),
    onMessage: (listener) => void messages.push(listener),
    onOutput: (listener) => void outputs.push(listener),
    askToStop: () => write({ kind: "stop" }),
  };
}
