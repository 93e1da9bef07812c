/** Programs in processes of their own, one at a time. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Measurement, parseMeasurement } from "./measurement.ts";

interface Command {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly folder?: string;
}

interface Ended {
  /** From the call to the end of the process, by the clock on the wall. */
  readonly seconds: number;
  readonly stdout: string;
  /** Text on file descriptor 3. */
  readonly side: string;
}

/** Throws if the program cannot be started or ends with another code than 0. */
export function runToEnd({ program, arguments: given, folder }: Command): Ended {
  const from = performance.now();
  const child = spawnSync(program, given, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    maxBuffer: 2 ** 28,
    ...(folder === undefined ? {} : { cwd: folder }),
  });
  const seconds = (performance.now() - from) / 1000;
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) {
    throw new Error(`${[program, ...given].join(" ")} ended with ${child.status}: ${child.stderr}`);
  }
  return { seconds, stdout: child.stdout, side: child.output[3] ?? "" };
}

/** The output of a command; null if it is missing or fails. */
export function tryToRun(program: string, ...given: readonly string[]): string | null {
  const child = spawnSync(program, given, { encoding: "utf8" });
  return child.status === 0 ? child.stdout.trim() : null;
}

/** A simulation by this simulator; see `engine-main.ts`. */
export function measureEngine(workload: string, requests: number, seed: number): Measurement {
  const main = fileURLToPath(new URL("../engine-main.js", import.meta.url));
  const given = [main, workload, String(requests), String(seed)];
  return parseMeasurement(runToEnd({ program: process.execPath, arguments: given }).stdout);
}

/** `tandem simulate SCENARIO …` as a user runs it. `nodeOptions` go before the script. */
export function tandemCommand(
  given: readonly string[],
  nodeOptions: readonly string[] = [],
): Command {
  const tandem = fileURLToPath(new URL("../../cli/tandem.js", import.meta.url));
  return { program: process.execPath, arguments: [...nodeOptions, tandem, "simulate", ...given] };
}

export function tandemSimulate(
  given: readonly string[],
  folder: string,
  nodeOptions: readonly string[] = [],
): Ended {
  return runToEnd({ ...tandemCommand(given, nodeOptions), folder });
}
