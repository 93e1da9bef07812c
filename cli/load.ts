/** `tandem load`: a workload against any endpoint, from the client's side. */
import { join } from "node:path";
import { parseDocument } from "yaml";
import { loadReportText } from "../cluster/load/load-report.ts";
import { inDigits, LOAD_BOUNDS } from "../cluster/load/specification.ts";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import {
  endpoint,
  type LoadMeasurement,
  type Overrides,
  repeatCommand,
  type Scenario,
  scenarioText,
  load as sent,
} from "../library/index.ts";
import { givenOptions, type Values } from "../library/option.ts";
import { capacityText } from "../reports/tables/parameters.ts";
import { MOST_S } from "../scenario/schema/common.ts";
import { workloadSchema } from "../scenario/schema/workload.ts";
import { makeFolder, writeJson } from "../sweep/atomic-file.ts";
import { print } from "./command-line.ts";
import { missed, rangeOf, searched, searchText, thresholdOf } from "./load-search.ts";
import { ARRIVALS, LOAD_COMMAND, type WORKLOAD } from "./options.ts";
import { watched } from "./progress.ts";
import {
  assignedBy,
  listed,
  loadScenario,
  NAMED,
  type ScenarioArguments,
} from "./scenario-file.ts";

/** The options that repeat a load, besides seed and overrides. */
const { set: _, seed: __, ...OWN } = LOAD_COMMAND;

type LoadArguments = WorkloadArguments & Values<typeof LOAD_COMMAND>;

/** In the range's own loads, or once. */
export async function load(args: LoadArguments): Promise<void> {
  const { out, rates, concurrency } = args;
  if (out !== undefined) makeFolder(out);
  if (rates !== undefined || concurrency !== undefined) return loadRange(args);
  const thresholds = thresholdsOf(args);
  const { loaded, measurement } = await namingOptions(args, async () => {
    const loaded = await loadWorkload(args, args.model);
    return { loaded, measurement: await sendWorkload(loaded, args) };
  });
  const { errors, ...report } = measurement;
  const { seed } = loaded.document.run;
  const command = repeatCommand("load", args.scenario, {
    seed,
    set: args.set,
    ...givenOptions(OWN, args),
  });
  const { capacity } = loaded;
  const head = { schema: "tandem/load@1", url: args.url, seed, command, capacity };
  const lines = [loadReportText(report), capacityText(capacity)].filter((line) => line !== "");
  const document = { ...head, ...report, errors };
  if (out !== undefined) writeJson(join(out, "load.json"), document);
  print(args.json, document, lines.join("\n"));
  const over = thresholds.flatMap((threshold) => missed(measurement, threshold));
  const issues = over.map((message) => ({ path: "--threshold", message }));
  if (errors.length > 0) {
    const message = `requests failed; the first: ${errors[0]}`;
    throw new Fault("cluster-failure", message, { issues });
  }
  if (over.length > 0) throw new Fault("out-of-tolerance", "a threshold is not met", { issues });
  if (report.verdict === "refused") {
    throw new Fault("unhealthy", "the load generator was not fit to be judged by", {
      hint: "run it on a quieter machine, or with less load",
    });
  }
}

function thresholdsOf({ threshold }: LoadArguments) {
  return threshold.flatMap(listed).map(thresholdOf);
}

async function loadRange(args: LoadArguments): Promise<void> {
  const { rates, concurrency = "", out, url, json } = args;
  const given = [rates, args.concurrency, args.rate, args.clients];
  if (given.filter((one) => one !== undefined).length > 1) {
    throw new Fault("usage", "give one of --rates, --concurrency, --rate and --clients");
  }
  const range = rates === undefined ? rangeOf("clients", concurrency) : rangeOf("rate", rates);
  const send = (value: number): Promise<LoadMeasurement> => {
    const one = { ...args, [range.by]: value };
    return namingOptions(one, async () => sendWorkload(await loadWorkload(one, args.model), one));
  };
  const found = await searched(range, thresholdsOf(args), send);
  const { seed, set } = args;
  const command = repeatCommand("load", args.scenario, {
    seed,
    set,
    ...givenOptions(OWN, args),
  });
  const document = { schema: "tandem/load-range@1", url, command, ...found };
  if (out !== undefined) writeJson(join(out, "load.json"), document);
  print(json, document, searchText(found));
  const [error] = found.steps.flatMap(({ measurement }) => measurement.errors);
  if (found.highest === null && error !== undefined) {
    throw new Fault("cluster-failure", `requests failed; the first: ${error}`);
  }
  if (found.highest === null && found.thresholds.length > 0) {
    throw new Fault("out-of-tolerance", "no load of the range meets the thresholds");
  }
}

function sendWorkload(loaded: Scenario, args: LoadArguments): Promise<LoadMeasurement> {
  const { workload } = loaded.document;
  const isBySeconds = workload.arrivals === "closed" && workload.requests === undefined;
  return watched(isBySeconds ? "load, seconds" : "load", (watch) =>
    sent(loaded, { ...args, ...watch }),
  );
}

/** A scenario need not be given: the options may say all. */
export type WorkloadArguments = Omit<ScenarioArguments, "scenario"> &
  WorkloadOptions & { readonly scenario?: string | undefined };

/** The scenario's workload under the options, or one of the options alone. */
export async function loadWorkload(args: WorkloadArguments, name?: string): Promise<Scenario> {
  const { scenario, arrivals, rate, clients, duration } = args;
  if (rate !== undefined && rate > LOAD_BOUNDS.ratePerS) throw tooFast(rate);
  const overrides = overridesOf(args);
  if (scenario !== undefined) {
    const own = { ...replacedWorkload(scenario, args), ...shorterWarmUp(scenario, duration) };
    return loadScenario({ ...args, scenario }, { overrides: { ...own, ...overrides } });
  }
  const kind = arrivals ?? (clients !== undefined ? "closed" : "poisson");
  if (arrivals === undefined && rate === undefined && clients === undefined) {
    throw new Fault("usage", "nothing says how much load: give a scenario, --rate or --clients", {
      hint: "as `tandem load --url http://127.0.0.1:8080/x --rate 50 --duration 10`",
    });
  }
  const workload = { arrivals: kind, ...extentOf(args, kind) };
  const options = { ...NAMED, file: NO_FILE, name };
  return endpoint(workload, { ...overrides, ...assignedBy(args) }, options);
}

/** Said before the scenario is read, whose checks speak of its many requests. */
function tooFast(rate: number): Fault {
  const hint = "one process sends no more; share a load among generators on several machines";
  const message = `expected at most ${inDigits(LOAD_BOUNDS.ratePerS)} a second, got ${rate}`;
  return new Fault("invalid-input", "more than a load generator can send", {
    issues: [{ file: "--rate", path: "", message, hint }],
  });
}

/** A file's workload without what other arrivals, or another extent, have no use for; nothing where all of it goes. */
function replacedWorkload(file: string, args: WorkloadArguments): Overrides {
  const own = workloadOf(file);
  const arrivals = args.arrivals ?? (args.clients === undefined ? own.arrivals : "closed");
  const known = arrivals === own.arrivals ? Object.keys(own) : keysOf(String(arrivals));
  // A warm-up in seconds may be longer than so many requests last.
  const replaced = [
    ...(args.duration === undefined ? [] : ["requests"]),
    ...(args.count === undefined ? [] : ["durationS", "warmupS"]),
  ];
  const kept = Object.entries(own).filter(
    ([key]) => known.includes(key) && !replaced.includes(key),
  );
  if (kept.length === Object.keys(own).length) return {};
  // A load is one run: what is swept may be of the other arrivals.
  return { workload: { ...Object.fromEntries(kept), arrivals }, sweep: {}, validation: {} };
}

/** As the file writes it; empty where that is another file. */
function workloadOf(file: string): Readonly<Record<string, unknown>> {
  const workload: unknown = parseDocument(scenarioText(file)).toJS()?.workload;
  return typeof workload === "object" && workload !== null ? { ...workload } : {};
}

/** A run that `--duration` shortens has as large a share of warm-up as the file's. */
function shorterWarmUp(file: string, duration: number | undefined): Overrides {
  if (duration === undefined || !(duration > 0)) return {};
  const { durationS, warmupS } = workloadOf(file);
  if (typeof durationS !== "number" || typeof warmupS !== "number") return {};
  return duration < durationS ? { "workload.warmupS": (warmupS * duration) / durationS } : {};
}

/** Ten seconds by default, if the workload has a length. */
function extentOf({ duration, count }: WorkloadArguments, arrivals: string): object {
  if (duration !== undefined || count !== undefined) return {};
  return arrivals.startsWith("mlperf") || arrivals === "burst" ? {} : { durationS: 10 };
}

type WorkloadOptions = Partial<Values<typeof WORKLOAD>>;

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

const OPTIONS = Object.keys(PATHS) as readonly Option[];

/** Stands for the file of a scenario that only the options describe. */
const NO_FILE = "(options)";

/** The given options' values by path. A `--timeout` of 0 is the longest that there is. */
function overridesOf(given: WorkloadOptions): Overrides {
  const said = OPTIONS.filter((name) => given[name] !== undefined);
  const value = (name: Option): unknown =>
    name === "timeout" && given.timeout === 0 ? MOST_S * 1000 : given[name];
  return Object.fromEntries(said.map((name) => [PATHS[name], value(name)]));
}

/** Names issues by the options that were typed, not by the paths that these stand for. */
export async function namingOptions<T>(
  given: Omit<WorkloadArguments, "scenario">,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Fault ? named(error, given) : error;
  }
}

function named(fault: Fault, { set = [], ...given }: Omit<WorkloadArguments, "scenario">): Fault {
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
  return new Fault(code, message, { hint, cause, issues });
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
  if (
    (name === "duration" || name === "count") &&
    (ARRIVALS as readonly string[]).includes(arrivals)
  ) {
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
