/** `tandem plan`: the cheapest cluster, placement and scheduler that keep the latency goals. */
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import { isWithin } from "../core/scenario/issues.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import {
  makePlans,
  PLANNERS,
  type Plan,
  type PlannerName,
  type PlanOptions,
} from "../planning/plan.ts";
import { formatNumber } from "../reports/tables/format.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../schedulers/registry.ts";
import { writeJson } from "../sweep/atomic-file.ts";
import { columns } from "./command-line.ts";
import { interruptSignal } from "./failure.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { writePlannedScenario } from "./plan-files.ts";
import {
  type PlanDocument,
  type Point,
  planDocument,
  plannedScenario,
  planText,
} from "./plan-results.ts";
import { progress } from "./progress.ts";
import { repeatCommand, shellWord } from "./provenance.ts";
import { writeProvenance } from "./provenance-file.ts";
import { inputsOf, loadScenario, type ScenarioArguments } from "./scenario-file.ts";
import { simulate } from "./simulate.ts";

/** In the folder of --out, beside results.json. */
export const PLAN_FILE = "plan.json";

export interface PlanArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly planner: string;
  readonly schedulers?: string;
  readonly maxReplicas: number;
  readonly maxTrials: number;
}

export async function plan(args: PlanArguments): Promise<void> {
  const options = optionsOf(args);
  const loaded = await loadScenario(args, { requireTimes: true });
  tryOutOwn(loaded, [{ id: "base", parameters: {}, document: loaded.document }]);
  const plans = await worked(makePlans(loaded, inputsOf(loaded), options));
  const { digest, document, capacity } = loaded;
  const { schedulers, replications, maxReplicas, maxTrials, seed } = args;
  const header = {
    schema: "tandem/plan@2" as const,
    planner: options.planner,
    scenario: { name: document.name, digest },
    seed: document.run.seed,
    ...(capacity === undefined ? {} : { capacity }),
    command: repeatCommand("plan", {
      scenario: args.scenario,
      set: args.set,
      seed: seed ?? document.run.seed,
      extra: [
        ...["--planner", options.planner],
        ...(replications === undefined ? [] : ["--replications", String(replications)]),
        ...(schedulers === undefined ? [] : ["--schedulers", schedulers]),
        ...["--max-replicas", String(maxReplicas), "--max-trials", String(maxTrials)],
      ],
    }),
  };
  const result = planDocument(header, plans);
  const width = columns();
  const simulated = (points: readonly Point[]) => simulateCommand(args, document.run.seed, points);
  const text = args.json ? JSON.stringify(result) : planText(result, width, simulated);
  process.stdout.write(`${text}\n`);
  if (args.out !== undefined) {
    await writeFolder(args, args.out, plans, result);
    writeProvenance(args.out, [PLAN_FILE], loaded, result.command);
  }
  const without = result.plans.filter(({ best }) => best === null).length;
  if (without === 0) return;
  const which = result.plans.length === 1 ? "" : ` for ${without} of ${result.plans.length} loads`;
  throw new Fault("no-solution", `found no cluster that keeps the goal${which}`);
}

/** The plan, a scenario that runs it, and the results of simulating that. */
async function writeFolder(
  { scenario, json }: PlanArguments,
  out: string,
  plans: readonly Plan[],
  result: PlanDocument,
): Promise<void> {
  const planned = plannedScenario(plans);
  if (planned === null) {
    writeJson(join(out, PLAN_FILE), result);
    return;
  }
  const path = writePlannedScenario(planned, scenario, out, result.command);
  const { digest } = await loadScenario({ scenario: path, set: [] }, { requireTimes: true });
  writeJson(join(out, PLAN_FILE), { ...result, planned: digest });
  await simulate({ scenario: path, set: [], out, json: false, yes: true, quiet: true });
  if (json) return;
  process.stdout.write(
    `next: npx tandem validate ${shellWord(path)} --out ${shellWord(out)}; npx tandem report ${shellWord(out)}\n`,
  );
}

/** The command that simulates the points, with all of the plan's options that these do not replace. */
function simulateCommand(
  { scenario, set }: PlanArguments,
  seed: number,
  points: readonly Point[],
): string {
  const replaced = ["sweep", ...points.flatMap(Object.keys)];
  const kept = set.filter((assignment) => {
    const [path] = parseSetOption(assignment);
    return !replaced.some((outer) => isWithin(path, outer));
  });
  const sweep = `sweep=${JSON.stringify({ points })}`;
  return repeatCommand("simulate", { scenario, seed, set: [...kept, sweep] });
}

/** Nobody knows how much a plan has to simulate, so its progress is what it has; each pause is twice the last. */
const FIRST_PAUSE_MS = 5000;

/** Replication by replication, so that Ctrl-C is heard and progress is shown. */
async function worked(steps: ReturnType<typeof makePlans>): Promise<readonly Plan[]> {
  const interrupt = interruptSignal();
  let shown: ReturnType<typeof progress> | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let sayAtMs = performance.now() + pauseMs;
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      shown ??= progress("plan", { total: value.of });
      shown.update(value.done);
      if (performance.now() >= sayAtMs) {
        sayAtMs += pauseMs;
        pauseMs *= 2;
        shown.say(`plan: ${formatNumber(value.requests / 1e6)} million requests simulated`);
      }
      await turn();
      if (interrupt.signal.aborted) throw new Fault("interrupted", "interrupted: nothing is kept");
    }
  } finally {
    shown?.stop();
    interrupt.dispose();
  }
}

function optionsOf({
  schedulers,
  maxReplicas,
  maxTrials,
  planner,
  out,
}: PlanArguments): PlanOptions {
  if (out?.trim() === "") throw new Fault("usage", "--out is empty", { hint: "name a folder" });
  if (!Object.hasOwn(PLANNERS, planner)) {
    const hint = `the planners are ${Object.keys(PLANNERS).join(", ")}`;
    throw new Fault("usage", `--planner: there is no planner "${planner}"`, { hint });
  }
  for (const [name, value] of Object.entries({ maxReplicas, maxTrials })) {
    if (Number.isInteger(value) && value >= 1) continue;
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new Fault("usage", `--${option} must be a whole number of at least 1, got ${value}`);
  }
  const known = Object.keys(PRESETS);
  const named = schedulers === undefined ? TEXTBOOK_PRESETS : listed(schedulers);
  for (const name of named) {
    if (known.includes(name)) continue;
    const hint = `the presets are ${known.join(", ")}; sweep \`scheduler\` for others`;
    throw new Fault("usage", `--schedulers: there is no preset "${name}"`, { hint });
  }
  return {
    planner: planner as PlannerName,
    mostReplicas: maxReplicas,
    mostTrials: maxTrials,
    schedulers: named,
  };
}

function listed(text: string): readonly string[] {
  if (text.trim() === "none") return [];
  if (text.trim() === "all") return Object.keys(PRESETS);
  return text.split(",").map((word) => word.trim());
}
