/** `tandem load`: a workload against any endpoint, from the client's side. */
import { parseDocument } from "yaml";
import { loadReportText } from "../cluster/load/load-report.ts";
import { changingTimeOf } from "../core/arrivals/changing-rate.ts";
import { expectedRequests } from "../core/arrivals/extent.ts";
import { Fault, type Issue } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { MOST_S } from "../core/scenario/schema/common.ts";
import { workloadSchema } from "../core/scenario/schema/workload.ts";
import type { WorkloadDocument } from "../core/scenario/schema.ts";
import { endpointScenario, patient, sendLoad } from "../library/load.ts";
import { repeatCommand } from "../library/provenance.ts";
import { refuseOverload, refuseRate } from "../library/refuse-overload.ts";
import { scenarioText } from "../library/scenario.ts";
import { capacityText } from "../reports/tables/parameters.ts";
import { ARRIVALS, LOAD_OPTIONS } from "./load-options.ts";
import { type Course, progress } from "./progress.ts";
import { loadScenario, loadScenarioText, type ScenarioArguments } from "./scenario-file.ts";

export interface LoadArguments extends WorkloadArguments {
  readonly json: boolean;
  readonly url: string;
  readonly model?: string;
  readonly images?: string;
  readonly inputs?: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly method?: string;
  readonly stream?: boolean;
  readonly connections: number;
  readonly warmUp: boolean;
  readonly certs?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
}

export async function load(args: LoadArguments): Promise<void> {
  const loaded = await loadWorkload(args, args.model ?? "endpoint");
  const { workload, run } = loaded.document;
  const shown = loadProgress(workload, expectedRequests(workload));
  const { report, errors } = await sendLoad(loaded, {
    ...args,
    streamed: args.stream,
    onEnded: (ended) => shown.update({ ended }),
  }).finally(() => shown.stop());
  const command = repeatCommand("load", { ...args, seed: run.seed, extra: flagsOf(args) });
  if (args.json) {
    const { capacity } = loaded;
    const head = { schema: "tandem/load@1", url: args.url, seed: run.seed, command, capacity };
    process.stdout.write(`${JSON.stringify({ ...head, ...report, errors })}\n`);
  } else {
    const lines = [loadReportText(report), capacityText(loaded.capacity)];
    process.stdout.write(`${lines.filter((line) => line !== "").join("\n")}\n`);
  }
  if (errors.length > 0) {
    throw new Fault("cluster-failure", `requests failed; the first: ${errors[0]}`);
  }
  if (report.verdict === "refused") {
    throw new Fault("unhealthy", "the load generator was not fit to be judged by", {
      hint: "run it on a quieter machine, or with less load",
    });
  }
}

/** By requests, or by seconds when the number of requests is unknown. */
function loadProgress(workload: WorkloadDocument, requests: number) {
  const seconds = "durationS" in workload ? workload.durationS : undefined;
  if (workload.arrivals !== "closed" || seconds === undefined || workload.requests !== undefined) {
    const shown = progress("load", { total: requests, ...courseOf(workload) });
    return { ...shown, update: ({ ended }: { ended: number }) => shown.update(ended) };
  }
  const shown = progress("load, seconds", { total: Math.ceil(seconds) });
  const startMs = performance.now();
  const elapsed = (): number => Math.min(seconds, Math.floor((performance.now() - startMs) / 1000));
  return { ...shown, update: () => shown.update(elapsed()) };
}

/** Where the rate changes, the pace so far does not tell how long the rest takes. */
function courseOf(workload: WorkloadDocument): Pick<Course, "timeOf"> {
  if (workload.arrivals !== "ramp" && workload.arrivals !== "diurnal") return {};
  const { durationS = Number.POSITIVE_INFINITY } = workload;
  return { timeOf: (done) => Math.min(durationS, changingTimeOf(workload)(done) / 1e6) };
}

/** The given options besides the scenario's, as they were typed. */
function flagsOf(args: LoadArguments): string[] {
  const said: Readonly<Record<string, unknown>> = { ...args };
  return Object.keys(LOAD_OPTIONS).flatMap((name) => {
    const value = said[name.replace(/-[a-z]/g, ([, letter]) => letter.toUpperCase())];
    if (["set", "seed", "json"].includes(name) || value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, String(value)];
  });
}

export interface WorkloadArguments extends Omit<ScenarioArguments, "scenario">, WorkloadOptions {
  readonly scenario?: string;
}

/**
 * `endpoint` names what is driven, where no scenario does. Rejects with a Fault, also where no load
 * generator can send that much.
 */
export async function loadWorkload(
  args: WorkloadArguments,
  endpoint: string,
): Promise<LoadedScenario> {
  const { scenario: file = NO_FILE, rate } = args;
  try {
    if (rate !== undefined) refuseRate(file, RATE_PATH, rate);
    const loaded = patient(await read(args, endpoint));
    refuseOverload(loaded);
    return loaded;
  } catch (error) {
    throw error instanceof Fault ? namingOptions(error, args, args.set) : error;
  }
}

async function read(args: WorkloadArguments, endpoint: string): Promise<LoadedScenario> {
  const overrides = overridesOf(args);
  if (args.scenario !== undefined) {
    const { scenario, set, ...rest } = args;
    const options = Object.entries(overrides).map(([path, value]) => `${path}=${value}`);
    const all = [...shorterWarmUp(scenario, args.duration), ...options, ...set];
    return loadScenario({ ...rest, scenario, set: all }, { requireTimes: true });
  }
  const { arrivals, rate, clients } = args;
  const kind = arrivals ?? (clients !== undefined ? "closed" : "poisson");
  if (arrivals === undefined && rate === undefined && clients === undefined) {
    throw new Fault("usage", "nothing says how much load: give a scenario, --rate or --clients", {
      hint: "as `tandem load --url http://127.0.0.1:8080/x --rate 50 --duration 10`",
    });
  }
  const scenario = endpointScenario(endpoint, { arrivals: kind, ...extentOf(args, kind) });
  const text = JSON.stringify(scenario);
  const named = { ...args, scenario: NO_FILE };
  // The capacity of an endpoint is unknown.
  return loadScenarioText(text, named, { requireTimes: true, overrides, capacityOf: () => null });
}

/** A run that `--duration` shortens has as large a share of warm-up as the file's. */
function shorterWarmUp(file: string, duration: number | undefined): readonly string[] {
  if (duration === undefined || !(duration > 0)) return [];
  const { durationS, warmupS } = parseDocument(scenarioText(file)).toJS()?.workload ?? {};
  if (typeof durationS !== "number" || typeof warmupS !== "number") return [];
  return duration < durationS ? [`workload.warmupS=${(warmupS * duration) / durationS}`] : [];
}

/** Ten seconds by default, if the workload has a length. */
function extentOf({ duration, count }: WorkloadArguments, arrivals: string): object {
  if (duration !== undefined || count !== undefined) return {};
  return arrivals.startsWith("mlperf") || arrivals === "burst" ? {} : { durationS: 10 };
}

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

/** The given options' values by path. A `--timeout` of 0 is the longest that there is. */
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
      return "its length is set by --set workload.minQueries=… and --set workload.minDurationS=…";
    }
  }
  const others = ARRIVALS.filter((kind) => keysOf(kind).includes(keyOf(name)));
  const own = OPTIONS.filter((option) => keysOf(arrivals).includes(keyOf(option)));
  const takes = own.filter((option) => option !== "arrivals").map((option) => `--${option}`);
  const instead = takes.length === 0 ? "" : `; ${arrivals} takes ${takes.join(", ")}`;
  return `leave it out, or give --arrivals ${others.join(", ")}${instead}`;
}

/** The first key of an option's path within the workload. */
const keyOf = (name: Option): string => PATHS[name].split(".")[1];

/** The keys of a workload of some kind; none where there is no such kind. */
function keysOf(arrivals: string): readonly string[] {
  const kind = workloadSchema.options.find(({ shape }) => shape.arrivals.value === arrivals);
  return kind === undefined ? [] : Object.keys(kind.shape);
}
