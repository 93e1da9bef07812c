/** `tandem plan`: the cheapest cluster, and the scheduler for it, that keep the latency goals. */
import { setImmediate as turn } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import type { Estimate, LoadCapacity, Placement } from "../core/results.ts";
import { isWithin } from "../core/scenario/issues.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import {
  type Candidate,
  makePlans,
  type NotSearched,
  type Parameters,
  type Plan,
  type PlanOptions,
} from "../planning/plan.ts";
import type { Trial } from "../planning/trial.ts";
import { formatEstimate, formatNumber, plural } from "../reports/tables/format.ts";
import { capacityText } from "../reports/tables/parameters.ts";
import { placementText } from "../reports/tables/result-tables.ts";
import { type Cell, tableText, wrapped } from "../reports/tables/table.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { columns } from "./command-line.ts";
import { interruptSignal } from "./failure.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { progress } from "./progress.ts";
import { repeatCommand } from "./provenance.ts";
import { inputsOf, loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export interface PlanArguments extends ScenarioArguments {
  readonly json: boolean;
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
    schema: "tandem/plan@1" as const,
    scenario: { name: document.name, digest },
    seed: document.run.seed,
    ...(capacity === undefined ? {} : { capacity }),
    command: repeatCommand("plan", {
      scenario: args.scenario,
      set: args.set,
      seed: seed ?? document.run.seed,
      extra: [
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
  const without = result.plans.filter(({ candidates }) => !candidates[0].meets).length;
  if (without === 0) return;
  const which = result.plans.length === 1 ? "" : ` for ${without} of ${result.plans.length} loads`;
  throw new Fault("no-solution", `found no cluster that keeps the goal${which}`);
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

/** Trial by trial, so that Ctrl-C is heard and progress is shown. */
async function worked(steps: ReturnType<typeof makePlans>): Promise<readonly Plan[]> {
  const interrupt = interruptSignal();
  let shown: ReturnType<typeof progress> | undefined;
  try {
    for (;;) {
      const { done, value } = steps.next();
      if (done === true) return value;
      shown ??= progress("plan", { total: value.of });
      shown.update(value.done);
      await turn();
      if (interrupt.signal.aborted) throw new Fault("interrupted", "interrupted: nothing is kept");
    }
  } finally {
    shown?.stop();
    interrupt.dispose();
  }
}

function optionsOf({ schedulers, maxReplicas, maxTrials }: PlanArguments): PlanOptions {
  for (const [name, value] of Object.entries({ maxReplicas, maxTrials })) {
    if (Number.isInteger(value) && value >= 1) continue;
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new Fault("usage", `--${option} must be a whole number of at least 1, got ${value}`);
  }
  const known = Object.keys(PRESETS);
  const named = schedulers === undefined ? known : listed(schedulers);
  for (const name of named) {
    if (known.includes(name)) continue;
    const hint = `the presets are ${known.join(", ")}; sweep \`scheduler\` for others`;
    throw new Fault("usage", `--schedulers: there is no preset "${name}"`, { hint });
  }
  return { mostReplicas: maxReplicas, mostTrials: maxTrials, schedulers: named };
}

function listed(text: string): readonly string[] {
  if (text.trim() === "none") return [];
  return text.split(",").map((word) => word.trim());
}

interface Header {
  readonly schema: "tandem/plan@1";
  readonly scenario: { readonly name: string; readonly digest: string };
  readonly seed: number;
  readonly command: string;
  readonly capacity?: LoadCapacity;
}

/** Values by path. */
export type Point = Readonly<Record<string, unknown>>;

/** How one pipeline keeps its goal. */
interface KeptGoal {
  readonly sloAttainmentRatio: Estimate;
  /** Null where no request came through. */
  readonly latencyP99Ms: Estimate | null;
}

interface CandidateDocument {
  readonly scheduler: unknown;
  readonly parameters: Parameters;
  readonly meets: boolean;
  /** Cost of the found cluster; null where none was found. */
  readonly cost: number | null;
  readonly unit: string;
  readonly replicas: Readonly<Record<string, number>> | null;
  readonly machines: Readonly<Record<string, number>> | null;
  /** Replications of its trial. */
  readonly replications: number;
  /** By pipeline: of the found cluster, else of the last one tried. */
  readonly kept: Readonly<Record<string, KeptGoal>>;
  readonly trials: number;
  /** Whether all that is cheaper was tried or ruled out: nothing was left out of the search. */
  readonly proven: boolean;
  /** Clusters left out of the search that may be cheaper. */
  readonly notSearched: readonly NotSearched[];
  /** Where the replicas run, among all machines that there are; null without a solution or nodes. */
  readonly placement: Placement | null;
  /** Cheaper choices of machines of which no device has the memory for some model. */
  readonly withoutRoom: number;
  /** The found cluster as a point of a sweep, with its load; null where none was found. */
  readonly point: Point | null;
}

interface PlanEntry {
  readonly parameters: Parameters;
  readonly goals: readonly {
    readonly pipeline: string;
    readonly latencyMs: number;
    readonly percentile: number;
  }[];
  /** The cheapest first. */
  readonly candidates: readonly CandidateDocument[];
}

export interface PlanDocument extends Header {
  readonly plans: readonly PlanEntry[];
}

export function planDocument(header: Header, plans: readonly Plan[]): PlanDocument {
  return {
    ...header,
    plans: plans.map(({ parameters, goals, candidates }) => ({
      parameters,
      goals: goals.map(({ pipeline, latencyMs, share }) => ({
        pipeline,
        latencyMs,
        percentile: Number((share * 100).toPrecision(12)),
      })),
      candidates: candidates.map((candidate) => candidateDocument(candidate, parameters)),
    })),
  };
}

function candidateDocument(candidate: Candidate, load: Parameters): CandidateDocument {
  const { scheduler, parameters, unit, tasks, search, cost, placement } = candidate;
  const { found, missed, trials, withoutRoom } = search;
  const replicas =
    found === null ? null : Object.fromEntries(tasks.map((task, i) => [task, found.replicas[i]]));
  return {
    scheduler,
    parameters,
    meets: found !== null,
    cost,
    unit,
    replicas,
    machines: found?.machines.counts ?? null,
    replications: (found?.trial ?? missed)?.replications ?? 0,
    kept: keptOf(found?.trial ?? missed),
    trials,
    proven: candidate.notSearched.length === 0,
    notSearched: candidate.notSearched,
    placement,
    withoutRoom,
    point: found === null ? null : pointOf(candidate, found, load),
  };
}

function keptOf(trial: Trial | null): CandidateDocument["kept"] {
  return Object.fromEntries(
    (trial?.kept ?? []).map(({ pipeline, attainment, latencyP99Ms }) => [
      pipeline,
      { sloAttainmentRatio: attainment, latencyP99Ms },
    ]),
  );
}

function pointOf(
  { scheduler, parameters, tasks }: Candidate,
  { machines, replicas }: NonNullable<Candidate["search"]["found"]>,
  load: Parameters,
): CandidateDocument["point"] {
  return {
    ...load,
    ...parameters,
    scheduler,
    ...Object.fromEntries(tasks.map((task, i) => [`cluster.replicas.${task}`, replicas[i]])),
    ...(machines.nodes === undefined ? {} : { "cluster.nodes": machines.nodes }),
  };
}

/** `simulateCommand`: the command that simulates a sweep's points. */
export function planText(
  document: PlanDocument,
  width: number,
  simulateCommand: (points: readonly Point[]) => string,
): string {
  const several = document.plans.length > 1;
  const lines = document.plans.flatMap((plan) => [
    ...(several ? [parametersText(plan.parameters)] : []),
    wrapped(plan.goals.map(goalText).join("; "), width),
    tableText({ caption: "", headings: headings(plan), rows: plan.candidates.map(row) }, width),
    ...sentences(plan).map((line) => wrapped(line, width)),
    "",
  ]);
  const points = document.plans.flatMap(({ candidates: [{ point }] }) =>
    point === null ? [] : [point],
  );
  if (points.length > 0) {
    const what = several ? "the cheapest of each load" : "the cheapest";
    lines.push(`to simulate ${what}: ${simulateCommand(points)}`);
  }
  const load = capacityText(document.capacity);
  if (load !== "") lines.push(wrapped(load, width));
  const repeat = `repeat: ${document.command}`;
  lines.push(`seed ${document.seed} · scenario ${document.scenario.digest} · ${repeat}`);
  return lines.join("\n");
}

function goalText({ pipeline, latencyMs, percentile }: PlanEntry["goals"][number]): string {
  return `${pipeline}: ${percentile} % of requests within ${formatNumber(latencyMs)} ms`;
}

function parametersText(parameters: Parameters): string {
  return Object.entries(parameters)
    .map(([path, value]) => `${path} ${textOf(value)}`)
    .join(", ");
}

function textOf(value: unknown): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function headings({ candidates }: PlanEntry): readonly string[] {
  const priced = candidates[0].unit;
  return ["scheduler", `cost, ${priced}`, "replicas", "machines", "within the goal, %", "p99, ms"];
}

function row(candidate: CandidateDocument): readonly Cell[] {
  const { scheduler, parameters, cost, replicas, machines, kept, notSearched } = candidate;
  const { scheduler: _, ...others } = parameters;
  const name = [textOf(scheduler), parametersText(others)].filter((text) => text !== "").join(", ");
  const goals = Object.values(kept);
  const each = (of: (goal: KeptGoal) => string): string => goals.map(of).join("; ");
  return [
    { text: name },
    {
      text:
        cost === null
          ? "none"
          : `${formatNumber(cost)}${notSearched.includes("trials") ? " ?" : ""}`,
      numeric: true,
    },
    { text: countsText(replicas) },
    { text: countsText(machines) },
    { text: each((goal) => formatEstimate(goal.sloAttainmentRatio, 100)), numeric: true },
    { text: each((goal) => formatEstimate(goal.latencyP99Ms ?? undefined)), numeric: true },
  ];
}

function countsText(counts: Readonly<Record<string, number>> | null): string {
  return Object.entries(counts ?? {})
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

function sentences({ candidates }: PlanEntry): readonly string[] {
  const [best] = candidates;
  const trials = candidates.reduce((total, candidate) => total + candidate.trials, 0);
  if (!best.meets) {
    return [
      `nothing that was ${isBounded(candidates) ? "tried" : "allowed"} keeps the goal (${plural(trials, "trial")}${leftOut(candidates)}): the shares above are of the most that was tried.`,
      `allow more by --max-replicas, or more machines; or a request takes longer without any wait${passedOver(best)}`,
    ];
  }
  const equal = candidates.filter(({ cost }) => cost === best.cost).length - 1;
  const equals = equal === 0 ? "" : `; ${plural(equal, "other costs", "others cost")} as much`;
  const under = best.notSearched.includes("placement") ? " under the default placement" : "";
  return [
    `cheapest${under}: ${textOf(best.scheduler)}${equals} (${plural(trials, "trial")}${searched(candidates)}${passedOver(best)})`,
    ...(best.placement === null ? [] : [`replicas run on ${placementText(best.placement)}`]),
  ];
}

const LEFT_OUT: Readonly<Record<NotSearched, string>> = {
  trials: "?: something was left untried, --max-trials allows more",
  placement: "without choosing which task runs on which kind of node",
  colocation: "without choosing which replicas share a machine",
  sharing: "without more than one replica a slot",
  scaling: "without more machines that scaling switches off for longer",
};

/** Whether the bound on trials left something untried. */
function isBounded(candidates: readonly CandidateDocument[]): boolean {
  return candidates.some(({ notSearched }) => notSearched.includes("trials"));
}

/** Everything left out of any of the searches, in words, each after "; ". */
function leftOut(candidates: readonly CandidateDocument[]): string {
  const names = new Set(candidates.flatMap(({ notSearched }) => notSearched));
  return [...names].map((name) => `; ${LEFT_OUT[name]}`).join("");
}

/** The claim of the search, and its limits. */
function searched(candidates: readonly CandidateDocument[]): string {
  if (candidates.every(({ proven }) => proven))
    return "; all that is cheaper was tried or ruled out";
  const claim = "; all cheaper numbers of machines and replicas were tried or ruled out";
  return `${isBounded(candidates) ? "" : claim}${leftOut(candidates)}`;
}

function passedOver({ withoutRoom }: CandidateDocument): string {
  if (withoutRoom === 0) return "";
  const choices = plural(withoutRoom, "choice of machines has", "choices of machines have");
  return `; ${choices} no device with the memory for some model`;
}
