/** `tandem plan`: the cheapest cluster, placement and scheduler that keep the latency goals. */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { isWithin } from "../core/scenario/issues.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import {
  type PlanProgress,
  type PlanSettings,
  plan as planned,
  planText,
  repeatCommand,
} from "../library/index.ts";
import { formatNumber } from "../reports/tables/format.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { columns, print } from "./command-line.ts";
import { untilInterrupted } from "./failure.ts";
import { progress } from "./progress.ts";
import {
  listed,
  loadScenario,
  refuseEmpty,
  requireCounts,
  type ScenarioArguments,
} from "./scenario-file.ts";

interface PlanArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly planner: NonNullable<PlanSettings["planner"]>;
  readonly schedulers?: string;
  readonly maxReplicas: number;
  readonly maxTrials: number;
}

export async function plan(args: PlanArguments): Promise<void> {
  const { scenario, set, out, json, planner, replications, schedulers } = args;
  const { maxReplicas, maxTrials } = args;
  refuseEmpty(out);
  requireCounts({ replications, maxReplicas, maxTrials });
  const loaded = await loadScenario(args);
  const { seed } = loaded.document.run;
  const options = { planner, replications, schedulers, maxReplicas, maxTrials };
  const command = repeatCommand("plan", scenario, { seed, set, ...options });
  const shown = planProgress();
  const { document, scenario: running } = await untilInterrupted((signal) =>
    planned(loaded, {
      ...{ planner, maxReplicas, maxTrials, directory: out, command, signal },
      schedulers: schedulers === undefined ? undefined : presets(schedulers),
      onProgress: shown.update,
    }).finally(shown.stop),
  );
  const simulated = (points: readonly object[]) => simulateCommand(args, seed, points);
  print(json, document, planText(document, columns(), simulated));
  if (out !== undefined && running !== null && !json) {
    const validate = repeatCommand("validate", join(out, "plan.yaml"), { out });
    process.stdout.write(`next: ${validate}; ${repeatCommand("report", out, {})}\n`);
  }
  const without = document.plans.filter(({ best }) => best === null).length;
  if (without === 0) return;
  const all = document.plans.length;
  const which = all === 1 ? "" : ` for ${without} of ${all} loads`;
  throw new Fault("no-solution", `found no cluster that keeps the goal${which}`);
}

/** The command that simulates the points, with all of the plan's options that these do not replace. */
function simulateCommand(
  { scenario, set }: PlanArguments,
  seed: number,
  points: readonly object[],
): string {
  const replaced = ["sweep", ...points.flatMap(Object.keys)];
  const kept = set.filter((assignment) => {
    const [path] = parseSetOption(assignment);
    return !replaced.some((outer) => isWithin(path, outer));
  });
  const sweep = `sweep=${JSON.stringify({ points })}`;
  return repeatCommand("simulate", scenario, { seed, set: [...kept, sweep] });
}

/** Nobody knows how much a plan has to simulate, so its progress is what it has; each pause is twice the last. */
const FIRST_PAUSE_MS = 5000;

function planProgress() {
  const shown = progress("plan");
  let pauseMs = FIRST_PAUSE_MS;
  let sayAtMs = performance.now() + pauseMs;
  const update = (step: PlanProgress): void => {
    shown.onProgress(step);
    if (performance.now() < sayAtMs) return;
    sayAtMs += pauseMs;
    pauseMs *= 2;
    shown.say(`plan: ${formatNumber(step.requests / 1e6)} million requests simulated`);
  };
  return { update, stop: shown.stop };
}

function presets(text: string): readonly string[] {
  if (text.trim() === "none") return [];
  return text.trim() === "all" ? Object.keys(PRESETS) : listed(text);
}
