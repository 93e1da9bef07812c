/** The workload of `tandem load`: a scenario's, or one that a few options describe. */
import { Fault } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
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

/** `endpoint` names what is driven, where no scenario does. Rejects with a Fault. */
export async function loadWorkload(
  args: WorkloadArguments,
  endpoint: string,
): Promise<LoadedScenario> {
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
  const named = { ...args, scenario: "(options)" };
  return loadScenarioText(text, named, { requireTimes: true, overrides });
}

/** Where nothing says how long: ten seconds, if the workload can be cut to that. */
function extentOf({ duration, count }: WorkloadArguments, arrivals: string): object {
  if (duration !== undefined || count !== undefined) return {};
  return arrivals.startsWith("mlperf") || arrivals === "burst" ? {} : { durationS: 10 };
}

function overridesOf(args: WorkloadArguments): Record<string, unknown> {
  const known = Object.entries(PATHS) as [keyof typeof PATHS, string][];
  return Object.fromEntries(
    known.flatMap(([name, path]) => (args[name] === undefined ? [] : [[path, args[name]]])),
  );
}
