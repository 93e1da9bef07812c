/** The workload of `tandem load`: a scenario's, or one that a few options describe. */
import { Fault } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import { refuseOverload, refuseRate } from "./refuse-overload.ts";
import { loadScenario, loadScenarioText, type ScenarioArguments } from "./scenario-file.ts";

export interface WorkloadArguments extends Omit<ScenarioArguments, "scenario"> {
  readonly scenario?: string;
  readonly arrivals?: string;
  readonly rate?: number;
  readonly clients?: number;
  readonly duration?: number;
  readonly count?: number;
  readonly timeout?: number;
  readonly retries?: number;
}

/** Paths that the options stand for. */
const PATHS = {
  arrivals: "workload.arrivals",
  rate: "workload.ratePerS",
  clients: "workload.clients",
  duration: "workload.durationS",
  count: "workload.requests",
  timeout: "workload.client.timeoutMs",
  retries: "workload.client.retries",
} as const;

const optionPaths = Object.entries(PATHS) as [keyof typeof PATHS, string][];

/** Stands for the file of a scenario that only the options describe. */
const NO_FILE = "(options)";

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
    if (rate !== undefined) refuseRate(file, PATHS.rate, rate);
    const loaded = await read(args, endpoint);
    refuseOverload(loaded);
    return loaded;
  } catch (error) {
    throw error instanceof Fault ? namingOptions(error, args) : error;
  }
}

/** The fault's issues under the options that were typed, not under the paths that these stand for. */
function namingOptions(fault: Fault, args: WorkloadArguments): Fault {
  const { code, message, hint, cause } = fault;
  const options = new Map(optionPaths.map(([name, path]) => [path, name]));
  const isSet = (path: string): boolean =>
    args.set.some((option) => option.slice(0, option.indexOf("=")).trim() === path);
  const issues = fault.issues.map((issue) => {
    const name = options.get(issue.path);
    if (name === undefined || isSet(issue.path)) return issue;
    if (args[name] === undefined && issue.file !== NO_FILE) return issue;
    const { line: _, ...rest } = issue;
    return { ...rest, file: `--${name}`, path: "" };
  });
  return new Fault(code, message, { ...(hint === undefined ? {} : { hint }), cause, issues });
}

async function read(args: WorkloadArguments, endpoint: string): Promise<LoadedScenario> {
  const overrides = overridesOf(args);
  if (args.scenario !== undefined) {
    const { scenario, set, ...rest } = args;
    const options = Object.entries(overrides).map(([path, value]) => `${path}=${value}`);
    return loadScenario({ ...rest, scenario, set: [...options, ...set] }, { requireTimes: true });
  }
  const { arrivals, rate, clients } = args;
  const kind = arrivals ?? (clients !== undefined ? "closed" : "poisson");
  if (arrivals === undefined && rate === undefined && clients === undefined) {
    throw new Fault("usage", "nothing says how much load: give a scenario, --rate or --clients", {
      hint: "as `tandem load --url http://127.0.0.1:8080/x --rate 50 --duration 10`",
    });
  }
  const scenario = {
    name: endpoint,
    pipelines: { [endpoint]: { tasks: { remote: { model: "remote" } } } },
    models: { remote: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { remote: 1 } },
    workload: { arrivals: kind, ...extentOf(args, kind) },
  };
  const text = JSON.stringify(scenario);
  const named = { ...args, scenario: NO_FILE };
  return loadScenarioText(text, named, { requireTimes: true, overrides });
}

/** Where nothing says how long: ten seconds, if the workload can be cut to that. */
function extentOf({ duration, count }: WorkloadArguments, arrivals: string): object {
  if (duration !== undefined || count !== undefined) return {};
  return arrivals.startsWith("mlperf") || arrivals === "burst" ? {} : { durationS: 10 };
}

function overridesOf(args: WorkloadArguments): Record<string, unknown> {
  return Object.fromEntries(
    optionPaths.flatMap(([name, path]) => (args[name] === undefined ? [] : [[path, args[name]]])),
  );
}
