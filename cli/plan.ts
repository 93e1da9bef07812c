/** `tandem plan`: the cheapest cluster, placement and scheduler that keep the latency goals. */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { isWithin } from "../core/scenario/issues.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import { planDocumentOf, workedPlans } from "../library/plan.ts";
import {
  type PlanDocument,
  type Point,
  plannedScenario,
  planText,
} from "../library/plan-results.ts";
import { repeatCommand, shellWord } from "../library/provenance.ts";
import { writeProvenance } from "../library/provenance-file.ts";
import {
  PLANNERS,
  type Plan,
  type PlannerName,
  type PlanOptions,
  type Step,
} from "../planning/plan.ts";
import { formatNumber } from "../reports/tables/format.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../schedulers/registry.ts";
import { writeJson } from "../sweep/atomic-file.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { columns } from "./command-line.ts";
import { interruptSignal } from "./failure.ts";
import { writePlannedScenario } from "./plan-files.ts";
import { progress } from "./progress.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";
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
  const plans = await worked(loaded, options);
  const { document } = loaded;
  const { schedulers, replications, maxReplicas, maxTrials, seed } = args;
  const command = repeatCommand("plan", {
    scenario: args.scenario,
    set: args.set,
    seed: seed ?? document.run.seed,
    extra: [
      ...["--planner", options.planner],
      ...(replications === undefined ? [] : ["--replications", String(replications)]),
      ...(schedulers === undefined ? [] : ["--schedulers", schedulers]),
      ...["--max-replicas", String(maxReplicas), "--max-trials", String(maxTrials)],
    ],
  });
  const result = planDocumentOf(loaded, options.planner, command, plans);
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

async function worked(loaded: ReadyScenario, options: PlanOptions): Promise<readonly Plan[]> {
  const interrupt = interruptSignal();
  let shown: ReturnType<typeof progress> | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  let sayAtMs = performance.now() + pauseMs;
  const onStep = ({ done, of, requests }: Step): void => {
    shown ??= progress("plan", { total: of });
    shown.update(done);
    if (performance.now() < sayAtMs) return;
    sayAtMs += pauseMs;
    pauseMs *= 2;
    shown.say(`plan: ${formatNumber(requests / 1e6)} million requests simulated`);
  };
  try {
    return await workedPlans(loaded, options, onStep, interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new Fault("interrupted", "interrupted: nothing is kept");
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
