/** The programs that speed is compared with: how each is made ready and run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { measureEngine, runToEnd, tryToRun } from "./fresh-process.ts";
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
const RUST_FLAGS = ["--edition", "2021", "-C", "opt-level=3", "-C", "target-cpu=native"];

export const PEERS: readonly Peer[] = [
  {
    name: "naive",
    share: 1,
    prepare: () => ({
      kind: "ready",
      about: "TypeScript: a heap of closures",
      measure: (workload, requests, seed) => measureEngine("naive", workload, requests, seed),
    }),
  },
  {
    name: "c++",
    share: 1,
    prepare: (options) => compileCpp("priority-queue", "std::priority_queue, <random>", options),
  },
  {
    name: "c++ tuned",
    share: 1,
    prepare: (options) => compileCpp("tuned", "winner tree, ziggurat, this workload only", options),
  },
  { name: "rust", share: 1, prepare: compileRust },
  { name: "simgrid", share: 0.25, prepare: compileSimGrid },
  { name: "simjs", share: 0.25, prepare: findSimJs },
  {
    name: "simpy",
    share: 0.1,
    prepare: (options) => findPython("simpy", options),
  },
  {
    name: "ciw",
    share: 0.025,
    prepare: (options) => findPython("ciw", options),
  },
];

function source(file: string): string {
  return fileURLToPath(new URL(`../peers/${file}`, import.meta.url));
}

function skipped(message: string): Preparation {
  return { kind: "skipped", message };
}

function ready(
  about: string,
  program: string,
  before: readonly string[] = [],
  folder?: string,
): Preparation {
  return {
    kind: "ready",
    about,
    measure: (workload, requests, seed) => {
      const given = [...before, workload, String(requests), String(seed)];
      const command = { program, arguments: given, ...(folder === undefined ? {} : { folder }) };
      return parseMeasurement(runToEnd(command).stdout);
    },
  };
}

function compileCpp(
  name: string,
  about: string,
  { scratch }: BenchOptions,
  libraries: readonly string[] = [],
): Preparation {
  const version = tryToRun("g++", "-dumpfullversion");
  if (version === null) return skipped("g++ is not installed: install GCC's compiler for C++");
  const target = join(scratch, name);
  const given = [...CPP_FLAGS, source(`${name}.cpp`), "-o", target, ...libraries];
  runToEnd({ program: "g++", arguments: given });
  return ready(`${about}; g++ ${version} ${CPP_FLAGS.join(" ")}`, target);
}

function compileRust({ scratch }: BenchOptions): Preparation {
  const version = tryToRun("rustc", "--version");
  if (version === null) return skipped("rustc is not installed: install Rust");
  const target = join(scratch, "binary-heap");
  runToEnd({
    program: "rustc",
    arguments: [...RUST_FLAGS, source("binary-heap.rs"), "-o", target],
  });
  const [, number] = version.split(" ");
  return ready(`BinaryHeap, no crates; rustc ${number} ${RUST_FLAGS.join(" ")}`, target);
}

function compileSimGrid(options: BenchOptions): Preparation {
  const headers = tryToRun("g++", "-E", "-include", "simgrid/version.h", "-x", "c++", "/dev/null");
  if (headers === null) {
    return skipped(
      "SimGrid is not installed: install its development files (Debian: libsimgrid-dev)",
    );
  }
  return compileCpp("simgrid", "an actor per server", options, ["-lsimgrid"]);
}

function findSimJs({ modules }: BenchOptions): Preparation {
  const manifest = join(modules, "node_modules/simjs/package.json");
  if (!existsSync(manifest)) {
    return skipped("SimJS is not installed: npm install --prefix DIR simjs, then --modules DIR");
  }
  const version = tryToRun(process.execPath, "-p", `require(${JSON.stringify(manifest)}).version`);
  return ready(
    `simjs ${version}, node ${process.version}`,
    process.execPath,
    [source("sim-js.mjs")],
    modules,
  );
}

function findPython(library: "simpy" | "ciw", { python }: BenchOptions): Preparation {
  const versions = `import sys, ${library}; print(${library}.__version__, sys.version.split()[0])`;
  const found = tryToRun(python, "-c", versions);
  if (found === null) {
    return skipped(
      `${library} is not installed for ${python}: python3 -m venv DIR, DIR/bin/pip install ${library}, ` +
        "then --python DIR/bin/python",
    );
  }
  const [version, interpreter] = found.split(" ");
  return ready(`${library} ${version}, Python ${interpreter}`, python, [
    source(`${library}_peer.py`),
  ]);
}
