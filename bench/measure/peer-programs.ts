/** The programs that speed is compared with: how each is made ready and run. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd, tryToRun } from "./fresh-process.ts";
import { type Measurement, parseMeasurement } from "./measurement.ts";
import type { BenchOptions } from "./part.ts";

export type Preparation =
  | {
      readonly kind: "ready";
      /** Versions and flags. */
      readonly about: string;
      measure(workload: string, requests: number, seed: number): Measurement;
    }
  /** Not installed: what to do about it. */
  | { readonly kind: "skipped"; readonly message: string };

interface Peer {
  readonly name: string;
  /** How many requests it simulates for each of ours, so that a run takes seconds. */
  readonly share: number;
  prepare(options: BenchOptions): Preparation;
}

const CPP_FLAGS = ["-std=c++17", "-O3", "-march=native"];

export const PEERS: readonly Peer[] = [
  { name: "c++", share: 1, prepare: compileCpp },
  { name: "simpy", share: 0.1, prepare: findSimPy },
];

function source(file: string): string {
  return fileURLToPath(new URL(`../peers/${file}`, import.meta.url));
}

function skipped(message: string): Preparation {
  return { kind: "skipped", message };
}

function ready(about: string, program: string, before: readonly string[] = []): Preparation {
  return {
    kind: "ready",
    about,
    measure: (workload, requests, seed) => {
      const given = [...before, workload, String(requests), String(seed)];
      return parseMeasurement(runToEnd({ program, arguments: given }).stdout);
    },
  };
}

function compileCpp({ scratch }: BenchOptions): Preparation {
  const version = tryToRun("g++", "-dumpfullversion");
  if (version === null) return skipped("g++ is not installed: install GCC's compiler for C++");
  const target = join(scratch, "priority-queue");
  const given = [...CPP_FLAGS, source("priority-queue.cpp"), "-o", target];
  runToEnd({ program: "g++", arguments: given });
  const about = `std::priority_queue, <random>; g++ ${version} ${CPP_FLAGS.join(" ")}`;
  return ready(about, target);
}

function findSimPy({ python }: BenchOptions): Preparation {
  const versions = "import sys, simpy; print(simpy.__version__, sys.version.split()[0])";
  const found = tryToRun(python, "-c", versions);
  if (found === null) {
    return skipped(
      `simpy is not installed for ${python}: python3 -m venv DIR, DIR/bin/pip install simpy, ` +
        "then --python DIR/bin/python",
    );
  }
  const [version, interpreter] = found.split(" ");
  return ready(`simpy ${version}, Python ${interpreter}`, python, [source("simpy_peer.py")]);
}
