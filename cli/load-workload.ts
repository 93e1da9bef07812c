/** The workload of `tandem load`: a scenario's, or one that a few options describe. */
import { Fault } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { clientSchema } from "../core/scenario/schema/workload.ts";
import {
  NO_FILE,
  namingOptions,
  overridesOf,
  PATIENCE_MS,
  RATE_PATH,
  type WorkloadOptions,
} from "./load-options.ts";
import { refuseOverload, refuseRate } from "./refuse-overload.ts";
import { loadScenario, loadScenarioText, type ScenarioArguments } from "./scenario-file.ts";

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

/** Nobody waits for ever for a target that stands still. */
function patient(loaded: LoadedScenario): LoadedScenario {
  const { document } = loaded;
  const client = document.workload.client ?? clientSchema.parse({ timeoutMs: PATIENCE_MS });
  return { ...loaded, document: { ...document, workload: { ...document.workload, client } } };
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
    workload: { arrivals: kind, ...extentOf(args, kind), client: { timeoutMs: PATIENCE_MS } },
  };
  const text = JSON.stringify(scenario);
  const named = { ...args, scenario: NO_FILE };
  // Nobody knows how much an endpoint can take.
  return loadScenarioText(text, named, { requireTimes: true, overrides, capacityOf: () => null });
}

/** Where nothing says how long: ten seconds, if the workload can be cut to that. */
function extentOf({ duration, count }: WorkloadArguments, arrivals: string): object {
  if (duration !== undefined || count !== undefined) return {};
  return arrivals.startsWith("mlperf") || arrivals === "burst" ? {} : { durationS: 10 };
}
