/** The options of `tandem load` that stand for keys of a workload, and what is wrong with them in their words. */
import { Fault, type Issue } from "../core/fault.ts";
import { MOST_S } from "../core/scenario/schema/common.ts";
import { workloadSchema } from "../core/scenario/schema/workload.ts";
import { ARRIVALS } from "./load-command.ts";

export interface WorkloadOptions {
  readonly arrivals?: string;
  readonly rate?: number;
  readonly clients?: number;
  readonly duration?: number;
  readonly count?: number;
  readonly timeout?: number;
  readonly retries?: number;
}

type Option = keyof WorkloadOptions;

/** Paths that the options stand for. */
const PATHS: Readonly<Record<Option, string>> = {
  arrivals: "workload.arrivals",
  rate: "workload.ratePerS",
  clients: "workload.clients",
  duration: "workload.durationS",
  count: "workload.requests",
  timeout: "workload.client.timeoutMs",
  retries: "workload.client.retries",
};

export const RATE_PATH = PATHS.rate;

const OPTIONS = Object.keys(PATHS) as readonly Option[];

/** Stands for the file of a scenario that only the options describe. */
export const NO_FILE = "(options)";

/** How long clients wait of whom nothing else is said. */
export const PATIENCE_MS = 60_000;

/** What was given, by path. A `--timeout` of 0 is none: the longest that there is. */
export function overridesOf(given: WorkloadOptions): Record<string, unknown> {
  const said = OPTIONS.filter((name) => given[name] !== undefined);
  const value = (name: Option): unknown =>
    name === "timeout" && given.timeout === 0 ? MOST_S * 1000 : given[name];
  return Object.fromEntries(said.map((name) => [PATHS[name], value(name)]));
}

/** The fault's issues under the options that were typed, not under the paths that these stand for. */
export function namingOptions(fault: Fault, given: WorkloadOptions, set: readonly string[]): Fault {
  const { code, message, hint, cause } = fault;
  const isSet = (path: string): boolean =>
    set.some((option) => option.slice(0, option.indexOf("=")).trim() === path);
  const issues = fault.issues.map((issue) => {
    const name = OPTIONS.find((option) => PATHS[option] === issue.path);
    if (name === undefined || isSet(issue.path)) return issue;
    if (given[name] === undefined && issue.file !== NO_FILE) return issue;
    const { line: _, ...rest } = issue;
    const own = { ...rest, file: `--${name}`, path: "" };
    return issue.message.startsWith("unknown key") ? { ...own, ...misplaced(name, given) } : own;
  });
  return new Fault(code, message, { ...(hint === undefined ? {} : { hint }), cause, issues });
}

/** An option that the kind of arrivals does not have. */
function misplaced(name: Option, given: WorkloadOptions): Pick<Issue, "message" | "hint"> {
  return { message: `does not go with ${kindOf(given)}`, hint: wayOut(name, given.arrivals) };
}

function kindOf({ arrivals, clients }: WorkloadOptions): string {
  if (arrivals !== undefined) return `--arrivals ${arrivals}`;
  return clients === undefined ? "the workload's arrivals" : "--clients, which is a closed loop";
}

function wayOut(name: Option, arrivals = ""): string {
  if ((name === "duration" || name === "count") && ARRIVALS.includes(arrivals)) {
    if (keysOf(arrivals).includes("minQueries")) {
      return "its length is told by --set workload.minQueries=… and --set workload.minDurationS=…";
    }
  }
  const others = ARRIVALS.filter((kind) => keysOf(kind).includes(keyOf(name)));
  const own = OPTIONS.filter((option) => keysOf(arrivals).includes(keyOf(option)));
  const takes = own.filter((option) => option !== "arrivals").map((option) => `--${option}`);
  const instead = takes.length === 0 ? "" : `; ${arrivals} takes ${takes.join(", ")}`;
  return `leave it out, or give --arrivals ${others.join(", ")}${instead}`;
}

/** Of a workload, the first key of an option's path. */
const keyOf = (name: Option): string => PATHS[name].split(".")[1];

/** The keys of a workload of some kind; none where there is no such kind. */
function keysOf(arrivals: string): readonly string[] {
  const kind = workloadSchema.options.find(({ shape }) => shape.arrivals.value === arrivals);
  return kind === undefined ? [] : Object.keys(kind.shape);
}
