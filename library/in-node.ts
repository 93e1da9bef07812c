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
import { Fault, type FaultCode, type Issue } from "../engine/basics/fault.ts";
import { refuseInProgram, type Scenario } from "./scenario.ts";
import { requireScenario } from "./scenario-source.ts";

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

/** One of the library's functions, which works here or in Node. */
export function inNode<Name extends WorkName>(name: Name): Work<Name> {
  return ((...args: unknown[]) => called(name, args)) as Work<Name>;
}

/** Functions whose first argument is a scenario. */
const OF_SCENARIO: ReadonlySet<WorkName> = new Set<WorkName>([
  ...([
    "calibrate",
    "calibrateSteps",
    "check",
    "checkCalibration",
    "clusterUp",
    "placeGroups",
    "plan",
    "runOneShard",
    "runShards",
  ] as const),
  ...(["simulate", "sweep", "validate", "whichScheduler"] as const),
]);

async function called(name: WorkName, args: readonly unknown[]): Promise<unknown> {
  const [first] = args;
  // Also takes a workload.
  const isForLoad = name === "load" && typeof first !== "object";
  if (isForLoad || OF_SCENARIO.has(name)) requireScenario(first, "`await scenario(file)`");
  const { signal } = optionsOf(args);
  signal?.throwIfAborted();
  try {
    const work = isNode() ? await workOf(name) : (...own: unknown[]) => remotely(name, own);
    return await work(...args);
  } catch (error) {
    // It says what is kept.
    if (!(error instanceof Fault && error.code === "interrupted")) signal?.throwIfAborted();
    throw error;
  }
}

export async function workOf(name: WorkName): Promise<(...args: unknown[]) => unknown> {
  return (await WORK[name]()) as (...args: unknown[]) => unknown;
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
  return code === undefined ? new Error(message) : new Fault(code, message, { hint, issues });
}

function noNode(cause: Error): Fault {
  return new Fault("usage", `Node does not start: ${cause.message}`, {
    hint: "this program is not Node, and the work needs it: put `node` (20.19 or newer) on the PATH",
    cause,
  });
}

/** Marks a value that JSON has not, or that only the other program has. */
const TAG = "$tandem";

/**
 * A message as a line of JSON, with maps and infinities. Functions, signals and undefined values stay behind; a
 * function leaves its name, to be called from there.
 */
export function toLine(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) => tagged(part));
}

export function fromLine(line: string): unknown {
  return JSON.parse(line, (_, part: unknown) => untagged(part));
}

function tagged(part: unknown): unknown {
  if (typeof part === "function") return { [TAG]: "function" };
  if (typeof part === "number" && !Number.isFinite(part)) return { [TAG]: String(part) };
  if (part instanceof AbortSignal) return { [TAG]: "signal" };
  if (part instanceof Map) return { [TAG]: "map", entries: [...part] };
  return part;
}

function untagged(part: unknown): unknown {
  const kind = tagOf(part);
  if (kind === undefined || kind === "function" || kind === "signal") return part;
  if (kind === "map") return new Map((part as { entries: [unknown, unknown][] }).entries);
  return Number(kind);
}

/** "function" and "signal" stand for values that only the other program has. */
export function tagOf(part: unknown): unknown {
  return typeof part === "object" && part !== null ? (part as { [TAG]?: unknown })[TAG] : undefined;
}

/** The functions of the library that need Node, by name; each is loaded when it is called. */
const WORK = {
  calibrate: async () => (await import("./calibrate.ts")).calibrate,
  calibrateSteps: async () => (await import("./calibrate.ts")).calibrateSteps,
  checkCalibration: async () => (await import("./calibrate.ts")).checkCalibration,
  cancelShards: async () => (await import("./shards.ts")).cancelShards,
  check: async () => (await import("./check.ts")).check,
  clusterAdd: async () => (await import("../cluster/deploy/state.ts")).clusterAdd,
  clusterCerts: async () => (await import("../cluster/security/tls.ts")).writeCertificates,
  clusterDown: async () => (await import("../cluster/deploy/state.ts")).clusterDown,
  clusterRemove: async () => (await import("../cluster/deploy/state.ts")).clusterRemove,
  clusterServe: async () => (await import("./cluster.ts")).clusterServe,
  clusterStatus: async () => (await import("../cluster/deploy/state.ts")).clusterStatus,
  clusterToken: async () => (await import("./cluster.ts")).clusterToken,
  clusterUp: async () => (await import("./cluster.ts")).clusterOn,
  compare: async () => (await import("./results.ts")).compare,
  doctor: async () => (await import("./doctor.ts")).doctor,
  explain: async () => (await import("./explain.ts")).explain,
  fitToMachine: async () => (await import("./fit-to-machine.ts")).fitToMachine,
  hostWarnings: async () => (await import("./calibrate.ts")).hostWarnings,
  importTimes: async () => (await import("./import-times.ts")).importTimes,
  load: async () => (await import("./load.ts")).load,
  plan: async () => (await import("./plan.ts")).plan,
  prepareModels: async () => (await import("./calibrate.ts")).prepareModels,
  placeGroups: async () => (await import("./place-groups.ts")).placeGroups,
  query: async () => (await import("../sweep/query.ts")).query,
  report: async () => (await import("./report.ts")).report,
  runOneShard: async () => (await import("./shards.ts")).runOneShard,
  runShards: async () => (await import("./shards.ts")).runShards,
  shardsStatus: async () => (await import("./shards.ts")).shardsStatus,
  simulate: async () => (await import("./sweep.ts")).simulate,
  sweep: async () => (await import("./sweep.ts")).sweep,
  trace: async () => (await import("./explain.ts")).trace,
  validate: async () => (await import("./validate.ts")).validate,
  whichScheduler: async () => (await import("./which-scheduler.ts")).whichScheduler,
};

export type WorkName = keyof typeof WORK;

/** A function of the library. */
export type Work<Name extends WorkName> = Awaited<ReturnType<(typeof WORK)[Name]>>;
