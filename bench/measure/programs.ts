/** Programs in processes of their own, one at a time: this simulator, its peers, and the workloads that both simulate. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { type ScenarioDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";

export const WORKLOADS = {
  A: "M/M/1 at 0.9",
  B: "M/M/16 at 0.9, one central queue",
  C: "a branch between two pools of lognormal service",
  J: "as B, join the shortest queue",
} as const;

export type WorkloadName = keyof typeof WORKLOADS;

export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[];

const BRANCH_SCENARIO = fileHere("../../scenarios/queueing/branch.yaml");

/** Arguments of `tandem simulate` for one replication of workload C. */
export function branchArguments(requests: number, ...more: readonly string[]): readonly string[] {
  const set = `workload={arrivals: poisson, ratePerS: 6.4, requests: ${requests}}`;
  return [BRANCH_SCENARIO, "--replications", "1", "--json", "--set", set, ...more];
}

/**
 * The document of a reference workload, or of `SCHEDULER@REPLICAS`: a pool at 0.9, such as
 * `fifo@4096`.
 */
export function workloadDocument(name: string, requests: number, seed: number): ScenarioDocument {
  if (name === "C") return branch(requests, seed);
  const [scheduler, replicas] = (POOLS[name] ?? name).split("@");
  return pool(scheduler, Number(replicas), requests, seed);
}

const POOLS: Readonly<Record<string, string>> = {
  A: "fifo@1",
  B: "fifo@16",
  J: "join-shortest-queue@16",
};

function pool(
  scheduler: string,
  replicas: number,
  requests: number,
  seed: number,
): ScenarioDocument {
  return scenarioSchema.parse({
    name: "pool",
    pipelines: { pool: { tasks: { serve: { model: "server" } } } },
    models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: replicas } },
    scheduler,
    workload: { arrivals: "poisson", ratePerS: 90 * replicas, requests },
    run: { seed },
  });
}

function branch(requests: number, seed: number): ScenarioDocument {
  const raw = parse(readFileSync(BRANCH_SCENARIO, "utf8")) as Record<string, unknown>;
  const workload = { arrivals: "poisson", ratePerS: 6.4, requests };
  return scenarioSchema.parse({ ...raw, workload, run: { seed } });
}

/** One line of JSON about one simulation, printed by every measured program. */
export interface Measurement {
  /** Arrivals and ends of service. */
  readonly events: number;
  /** By the clock on the wall. */
  readonly seconds: number;
  /** By the processor time of all the process's threads, collection of garbage included. */
  readonly cpuSeconds: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const LATENCIES = ["meanMs", "p50Ms", "p99Ms"] as const;
const FIELDS = ["events", "seconds", "cpuSeconds", ...LATENCIES] as const;

/** Throws if `text` is not a measurement with a positive number in every field. */
export function parseMeasurement(text: string): Measurement {
  const parsed = JSON.parse(text) as Partial<Record<(typeof FIELDS)[number], unknown>>;
  for (const field of FIELDS) {
    const value = parsed[field];
    if (typeof value !== "number" || !(value > 0)) {
      throw new Error(`expected a positive number as ${field}, got ${text.trim()}`);
    }
  }
  return parsed as Measurement;
}

interface Ended {
  /** From the call to the end of the process, by the clock on the wall. */
  readonly seconds: number;
  readonly stdout: string;
  /** Text on file descriptor 3. */
  readonly side: string;
}

/** Runs a program with its arguments. Throws if it cannot be started or ends with another code than 0. */
export function runToEnd(command: readonly string[], folder?: string): Ended {
  const [program, ...given] = command;
  const from = performance.now();
  const child = spawnSync(program, given, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
    cwd: folder,
  });
  const seconds = (performance.now() - from) / 1000;
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) {
    throw new Error(`${command.join(" ")} ended with ${child.status}: ${child.stderr}`);
  }
  return { seconds, stdout: child.stdout, side: child.output[3] ?? "" };
}

/** The output of a command; null if it is missing or fails. */
export function tryToRun(program: string, ...given: readonly string[]): string | null {
  const child = spawnSync(program, given, { encoding: "utf8" });
  return child.status === 0 ? child.stdout.trim() : null;
}

/** `tandem simulate SCENARIO …` as a user runs it. `nodeOptions` go before the script. */
export function tandemSimulate(
  given: readonly string[],
  nodeOptions: readonly string[] = [],
): readonly string[] {
  return [process.execPath, ...nodeOptions, fileHere("../../cli/tandem.js"), "simulate", ...given];
}

function fileHere(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url));
}

type Measure = (workload: string, requests: number, seed: number) => Measurement;

/** Simulations by a program that prints one `Measurement`. */
function measuring(...command: readonly string[]): Measure {
  return (workload, requests, seed) =>
    parseMeasurement(runToEnd([...command, workload, String(requests), String(seed)]).stdout);
}

/** A simulation by this simulator; see `engine-main.ts`. */
export const measureEngine = measuring(process.execPath, fileHere("../engine-main.js"));

/** The setting in which a peer is made ready. */
export interface PeerSetting {
  /** The Python that SimPy is installed for. */
  readonly python: string;
  /** An empty folder that goes when the bench ends. */
  readonly scratch: string;
}

interface ReadyPeer {
  /** Versions and flags. */
  readonly about: string;
  readonly measure: Measure;
}

interface Peer {
  readonly name: string;
  /** How many requests it simulates for each of ours, so that a run takes seconds. */
  readonly share: number;
  /** A text for a peer that is not installed: what to do about it. */
  prepare(setting: PeerSetting): ReadyPeer | string;
}

const CPP_FLAGS = ["-std=c++17", "-O3", "-march=native"];

export const PEERS: readonly Peer[] = [
  { name: "c++", share: 1, prepare: compileCpp },
  { name: "simpy", share: 0.1, prepare: findSimPy },
];

function compileCpp({ scratch }: PeerSetting): ReadyPeer | string {
  const version = tryToRun("g++", "-dumpfullversion");
  if (version === null) return "g++ is not installed: install GCC's compiler for C++";
  const target = join(scratch, "priority-queue");
  runToEnd(["g++", ...CPP_FLAGS, fileHere("../peers/priority-queue.cpp"), "-o", target]);
  const about = `std::priority_queue, <random>; g++ ${version} ${CPP_FLAGS.join(" ")}`;
  return { about, measure: measuring(target) };
}

function findSimPy({ python }: PeerSetting): ReadyPeer | string {
  const versions = "import sys, simpy; print(simpy.__version__, sys.version.split()[0])";
  const found = tryToRun(python, "-c", versions);
  if (found === null) {
    return (
      `simpy is not installed for ${python}: python3 -m venv DIR, DIR/bin/pip install simpy, ` +
      "then --python DIR/bin/python"
    );
  }
  const [version, interpreter] = found.split(" ");
  const measure = measuring(python, fileHere("../peers/simpy_peer.py"));
  return { about: `simpy ${version}, Python ${interpreter}`, measure };
}
