/**
 * Work under another program than Node, such as Deno's kernel of notebooks: a process of Node does it.
 * V8 settings, worker threads, native modules and the messages of child processes are Node's own, and
 * another V8 has other last digits in its Math functions.
 *
 *   program ── function, arguments ──> node ── events: progress, notes ──> program ── abort ──> node
 *           <────────────────────────── result or Fault
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Fault, type FaultCode, type Issue } from "../core/fault.ts";
import { fromLine, toLine } from "./lines.ts";
import { refuseInProgram } from "./program-scheduler.ts";
import type { Scenario } from "./scenario.ts";
import type { Work } from "./work.ts";

export type WorkName = keyof Work;

/** Messages to the process of Node. */
export type ToNode =
  | { readonly kind: "call"; readonly name: WorkName; readonly args: readonly unknown[] }
  | { readonly kind: "abort" };

/** Messages from it. An event calls the function of that name among the options. */
export type FromNode =
  | { readonly kind: "event"; readonly name: string; readonly value: unknown }
  | { readonly kind: "result"; readonly value: unknown }
  | { readonly kind: "fault"; readonly fault: FaultParts };

export interface FaultParts {
  /** Undefined for a bug. */
  readonly code: FaultCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
  readonly issues: readonly Issue[];
}

/** Calls one of the library's functions, here or in Node. */
export async function inNode<Name extends WorkName>(
  name: Name,
  ...args: Parameters<Work[Name]>
): Promise<Awaited<ReturnType<Work[Name]>>> {
  const { signal } = optionsOf(args);
  signal?.throwIfAborted();
  try {
    if (!isNode()) return (await remotely(name, args)) as Awaited<ReturnType<Work[Name]>>;
    const work = (await import("./work.ts")).WORK[name] as (...own: unknown[]) => unknown;
    return (await work(...args)) as Awaited<ReturnType<Work[Name]>>;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

/** Whether this runs in Node itself, and not in a program that offers Node's modules. */
function isNode(): boolean {
  const { deno, bun } = process.versions as { readonly deno?: string; readonly bun?: string };
  return deno === undefined && bun === undefined;
}

interface Callbacks {
  readonly signal?: AbortSignal | undefined;
}

/** The last argument that is a plain object holds callbacks and the signal. */
function optionsOf(args: readonly unknown[]): Callbacks {
  const last = args.at(-1);
  return typeof last === "object" && last !== null ? (last as Callbacks) : {};
}

function remotely(name: WorkName, args: readonly unknown[]): Promise<unknown> {
  const { signal } = optionsOf(args);
  const events = optionsOf(args) as Readonly<Record<string, unknown>>;
  const file = fileURLToPath(new URL("./node-main.js", import.meta.url));
  const child = spawn("node", [file], { stdio: ["pipe", "pipe", "inherit"] });
  const send = (message: ToNode): void => void child.stdin.write(`${toLine(message)}\n`);
  const abort = (): void => send({ kind: "abort" });
  signal?.addEventListener("abort", abort);
  return new Promise<unknown>((resolve, reject) => {
    child.once("error", (error) => reject(noNode(error)));
    child.once("close", (code) =>
      reject(new Fault("cluster-failure", `the process of Node ended with ${code}`)),
    );
    child.stdin.on("error", () => undefined);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const message = fromLine(line) as FromNode;
      if (message.kind === "result") resolve(message.value);
      else if (message.kind === "fault") reject(faultOf(message.fault));
      else (events[message.name] as ((value: unknown) => void) | undefined)?.(message.value);
    });
    send({ kind: "call", name, args: args.map(portable) });
  }).finally(() => {
    signal?.removeEventListener("abort", abort);
    // It ends when its input does.
    child.stdin.end();
  });
}

/** Schedulers travel as texts, and are loaded there. */
function portable(argument: unknown): unknown {
  if (typeof argument !== "object" || argument === null || !("own" in argument)) return argument;
  refuseInProgram(argument as Scenario, "this program is not Node, which does the work");
  return { ...argument, own: undefined };
}

function faultOf({ code, message, hint, issues }: FaultParts): Error {
  if (code === undefined) return new Error(message);
  return new Fault(code, message, { ...(hint === undefined ? {} : { hint }), issues });
}

function noNode(cause: Error): Fault {
  return new Fault("usage", `Node does not start: ${cause.message}`, {
    hint: "this program is not Node, and the work needs it: put `node` (20.19 or newer) on the PATH",
    cause,
  });
}
