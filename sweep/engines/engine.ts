/** Schedulers that machines have already, asked to run the shards of a sweep. */
import { spawn } from "node:child_process";
import { Fault } from "../../engine/basics/fault.ts";

/** The processes of a sweep's shards: `program` with `options`, and after them those of the shard. */
export interface ShardCommand {
  /** Node and the command's file, on this machine. */
  readonly program: readonly [node: string, file: string];
  readonly options: readonly string[];
  /** Shards in all. */
  readonly shards: number;
  /** Its working directory; absolute. */
  readonly folder: string;
  /** The sweep's folder; absolute. */
  readonly out: string;
  /** Short, of lower-case letters, digits and "-"; differs between sweeps. */
  readonly name: string;
  /** Processors that it uses. */
  readonly threads: number;
}

/** Options of the task of an array that runs one of `shards`: its index there selects the shard. */
export function arrayOptions(
  { options, shards: all }: ShardCommand,
  shards: readonly number[],
): readonly string[] {
  return [...options, "--shard", String(all), "--shard-list", listText(shards)];
}

/** A job array, or what an engine has in its place. */
export interface SubmittedJob {
  readonly id: string;
  /** The shards of its tasks, in order, as `0-4,7`. */
  readonly shards: string;
}

/** Tasks of jobs that have not ended. */
export interface TasksLeft {
  readonly running: number;
  readonly waiting: number;
  /** Why a task that waits does not start. */
  readonly reason?: string | undefined;
}

export interface Engine {
  /** Most tasks of one job. Rejects as `submit`. */
  mostTasks(): Promise<number>;
  /** Rejects with Fault: nothing of this job runs then. */
  submit(command: ShardCommand, shards: readonly number[]): Promise<SubmittedJob>;
  left(jobs: readonly SubmittedJob[]): Promise<TasksLeft>;
  /** Ends jobs; those that have ended are passed over. */
  cancel(jobs: readonly SubmittedJob[]): Promise<void>;
}

/** Whole numbers in rising order as text, as `0-4,7`. */
export function listText(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length; ) {
    let end = i;
    while (numbers[end + 1] === numbers[end] + 1) end++;
    parts.push(end === i ? `${numbers[i]}` : `${numbers[i]}-${numbers[end]}`);
    i = end + 1;
  }
  return parts.join(",");
}

/** The numbers of `listText`. Throws Fault("usage") for any other text. */
export function parseList(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined || Number(last) < Number(first)) {
      throw new Fault("usage", `"${text}" is no list of shards`, { hint: "for example 0-9,12" });
    }
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) => Number(first) + i);
  });
}

/** In order, `most` at a time. */
export function chunksOf<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const chunks: (readonly T[])[] = [];
  for (let from = 0; from < all.length; from += most) chunks.push(all.slice(from, from + most));
  return chunks;
}

/** A longer list of shards may not fit into one word of a command line (128 KiB on Linux). */
export const LONGEST_LIST = 10_000;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program of the engine, with `input`. Rejects with Fault("not-found") where it is not installed. */
export async function ask(
  program: string,
  words: readonly string[],
  { input = "", missing }: { input?: string; missing: string },
): Promise<Finished> {
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "pipe"] });
  const parts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      parts[name] += text;
    });
  }
  // A program that ends early reads no input.
  child.stdin.on("error", () => undefined).end(input);
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      const message = `cannot run ${program}: ${cause.message}`;
      reject(new Fault("not-found", message, { hint: missing, cause }));
    });
    child.once("close", (code) => resolve({ code, ...parts }));
  });
}

/**
 * Which ends of a shard's process are tried again: failures of the world around it. A bug (exit code 1), bad
 * input (2) and a verdict (3) would come again.
 */
const RETRIED_CODES: readonly number[] = [4, 130];

/** For Kubernetes, which asks for the codes. */
export const NEVER_RETRIED: readonly number[] = [1, 2, 3];
export const MOST_RETRIES = 3;

/**
 * Lines of a POSIX shell that run `command`, again while that pays, and exit with its code. Retries count
 * from the value of the variable `already`, which may be unset. After a SIGTERM nothing is tried again.
 */
export function retryingLines(command: string, already: string): readonly string[] {
  // A shell's exit code for a signal is 128 and its number.
  const retried = [...RETRIED_CODES.map(String), "129", "1[3-9][0-9]", "2[0-9][0-9]"].join("|");
  return [
    `tries=$((${already} + 0))`,
    "ended=",
    "trap 'ended=1' TERM",
    "while :; do",
    `  ${command}`,
    "  code=$?",
    `  case $code in ${retried}) ;; *) exit $code ;; esac`,
    `  if [ -n "$ended" ] || [ "$tries" -ge ${MOST_RETRIES} ]; then exit $code; fi`,
    "  tries=$((tries + 1))",
    "done",
  ];
}
