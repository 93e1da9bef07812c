/** `tandem plan`: the cheapest cluster, placement and scheduler that keep the latency goals. */
import { join } from "node:path";
import { Fault } from "../engine/basics/fault.ts";
import { type PlanProgress, plan as planned, planText, repeatCommand } from "../library/index.ts";
import { formatNumber, formatShare } from "../reports/tables/format.ts";
import { countsText } from "../reports/tables/plan-decision.ts";
import { parseSetOption } from "../scenario/parse.ts";
import { isWithin } from "../scenario/reading/issues.ts";
import { columns, print } from "./command-line.ts";
import { untilInterrupted } from "./failure.ts";
import type { Arguments, PLAN_COMMAND, SCENARIO } from "./options.ts";
import { duration, progress } from "./progress.ts";
import { loadScenario } from "./scenario-file.ts";

type PlanArguments = Arguments<typeof SCENARIO, typeof PLAN_COMMAND>;

export async function plan(args: PlanArguments): Promise<void> {
  const { directory: out, json } = args;
  const loaded = await loadScenario(args);
  const { seed } = loaded.document.run;
  const shown = planProgress();
  let isStopped = false;
  let unwritten: unknown;
  const {
    document,
    scenario: running,
    validationS,
  } = await untilInterrupted(async (stop) => {
    const found = await planned(loaded, {
      ...args,
      stop,
      onProgress: shown.update,
      onNote: (line) => shown.say(`plan: ${line}`),
      onUnwritten: (error) => {
        unwritten = error;
      },
    }).finally(shown.stop);
    isStopped = stop.aborted;
    return found;
  });
  const simulated = (points: readonly object[], replications: number) =>
    simulateCommand(args, { seed, replications }, points);
  print(json, document, planText(document, columns(), simulated));
  if (unwritten !== undefined) throw unwritten;
  if (isStopped) {
    const kept =
      out === undefined ? "`--out DIR` keeps what was simulated" : "the same command goes on";
    const best = document.plans.some(({ state }) => state !== "none");
    const what = best ? "the best so far is above" : "no cluster that keeps the SLO was found yet";
    throw new Fault("interrupted", `interrupted: ${what}; ${kept}`);
  }
  if (out !== undefined && running !== null && !json) {
    const validate = repeatCommand("validate", join(out, "plan.yaml"), { out });
    process.stdout.write(`next: ${validate}; ${repeatCommand("report", out, {})}\n`);
    if (validationS >= LONG_S)
      process.stdout.write(
        `\`validate\` takes at least ${duration(validationS)}, as real runs do\n`,
      );
  }
  const all = document.plans.length;
  for (const [state, what] of Object.entries(UNSOLVED)) {
    const count = document.plans.filter((one) => one.state === state).length;
    const which = all === 1 ? "" : ` for ${count} of ${all} loads`;
    if (count > 0) throw new Fault("no-solution", `${what}${which}`);
  }
}

/** Validations of less need no notice. */
const LONG_S = 300;

const UNSOLVED = {
  none: "found no cluster that keeps the SLO",
  "not confirmed": "confirmed no cluster that keeps the SLO",
};

/** The command that simulates the points, with all of the plan's options that these do not replace. */
function simulateCommand(
  { scenario, set }: PlanArguments,
  options: Readonly<Record<"seed" | "replications", number>>,
  points: readonly object[],
): string {
  const replaced = ["sweep", ...points.flatMap(Object.keys)];
  const kept = set.filter((assignment) => {
    const [path] = parseSetOption(assignment);
    return !replaced.some((outer) => isWithin(path, outer));
  });
  const sweep = `sweep=${JSON.stringify({ points })}`;
  return repeatCommand("simulate", scenario, { ...options, set: [...kept, sweep] });
}

/**
 * Each pause between two lines is twice the last; another incumbent is told as soon as the shortest is over, the first one
 * and the first that is confirmed at once.
 */
const LEAST_PAUSE_MS = 1000;
const FIRST_PAUSE_MS = 2000;
const MOST_PAUSE_MS = 16_000;

function planProgress() {
  const shown = progress("plan");
  let pauseMs = FIRST_PAUSE_MS;
  let saidAtMs = performance.now();
  let told = "";
  let missing: string | null = null;
  let news = 0;
  let load = -1;
  const update = (step: PlanProgress): void => {
    shown.onProgress(step);
    if (step.combinations === 0) return;
    if (step.done !== load) {
      [load, news, told, missing] = [step.done, 0, "", null];
      const size =
        step.combinations < 1e15 ? step.combinations.toLocaleString("en-US") : "too many to count";
      const search = step.isLarge ? "searched from above and below" : "the cheapest first";
      const how = step.missing === null ? search : "none is searched, for none keeps the SLO";
      shown.say(`plan: combinations of machines, replicas and schedulers: ${size}; ${how}`);
    }
    // The first programs, and later simulations, may show it too.
    if (step.missing !== null && step.missing !== missing) shown.say(`plan: ${step.missing}`);
    missing = step.missing;
    const found = incumbentText(step);
    const { requests, lowerBound, secondsLeft, incumbent } = step;
    const state = incumbent === null ? 0 : 1 + Number(incumbent.isConfirmed);
    const waited = performance.now() - saidAtMs;
    // The nearest of several misses changes all the time.
    const isKnown = found === told || state === 0;
    if (state <= news && waited < (isKnown ? pauseMs : LEAST_PAUSE_MS)) return;
    if (isKnown) pauseMs = Math.min(MOST_PAUSE_MS, 2 * pauseMs);
    news = Math.max(news, state);
    told = found;
    saidAtMs = performance.now();
    const simulated = `${formatNumber(requests / 1e6)} million requests`;
    const which = step.total === 1 ? "" : `load ${load + 1} of ${step.total}: `;
    const parts = [`${which}${found}`, ...boundText(lowerBound, incumbent?.cost), simulated];
    shown.say(`plan: ${parts.join("; ")}; at most ${duration(secondsLeft)} left`);
  };
  return { update, say: shown.say, stop: shown.stop };
}

/** None while nothing is known. */
function boundText(bound: number, cost: number | undefined): readonly string[] {
  if (bound <= 0) return [];
  const gap = cost === undefined ? "" : `, gap ${formatNumber(100 * (1 - bound / cost), 2)} %`;
  return [`nothing below ${formatNumber(bound, 4)}${gap}`];
}

function incumbentText({ incumbent, nearest }: PlanProgress): string {
  if (incumbent === null) {
    const near = nearest === null ? "" : `; the nearest, ${textOf(nearest)}`;
    return `no cluster yet that keeps the SLO${near}`;
  }
  return `${textOf(incumbent)}, ${incumbent.isConfirmed ? "confirmed" : "not confirmed"}`;
}

function textOf({
  cost,
  replicas,
  kept,
  replications,
}: NonNullable<PlanProgress["incumbent"]>): string {
  const shares = Object.values(kept).map(({ sloAttainmentRatio }) =>
    formatShare(sloAttainmentRatio, replications),
  );
  return `${formatNumber(cost, 4)}: ${countsText(replicas)}, ${shares.join("; ")} % within the SLO`;
}
