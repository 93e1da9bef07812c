/** Programs in processes of their own, one at a time: this simulator, and the peers that it is compared with. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Measurement, parseMeasurement } from "./measurement.ts";
import type { BenchOptions } from "./part.ts";

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
  prepare(options: BenchOptions): ReadyPeer | string;
}

const CPP_FLAGS = ["-std=c++17", "-O3", "-march=native"];

export const PEERS: readonly Peer[] = [
  { name: "c++", share: 1, prepare: compileCpp },
  { name: "simpy", share: 0.1, prepare: findSimPy },
];

function compileCpp({ scratch }: BenchOptions): ReadyPeer | string {
  const version = tryToRun("g++", "-dumpfullversion");
  if (version === null) return "g++ is not installed: install GCC's compiler for C++";
  const target = join(scratch, "priority-queue");
  runToEnd(["g++", ...CPP_FLAGS, fileHere("../peers/priority-queue.cpp"), "-o", target]);
  const about = `std::priority_queue, <random>; g++ ${version} ${CPP_FLAGS.join(" ")}`;
  return { about, measure: measuring(target) };
}

function findSimPy({ python }: BenchOptions): ReadyPeer | string {
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
