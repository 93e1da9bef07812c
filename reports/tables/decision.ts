/** The decision for each load: the configuration to run, how far it is proven, and how it would change. */
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { ValidationDocument, ValidationResult } from "../../results/validation.ts";
import {
  figureText,
  formatError,
  formatEstimate,
  formatNumber,
  isUnstable,
  joined,
  metricLabel,
  plural,
} from "./format.ts";
import {
  type Attained,
  attainedBy,
  attainedText,
  byCost,
  type Choice,
  choiceLatency,
  choiceName,
  choicesOf,
  costText,
  latencyOf,
  marginOf,
  nearestOf,
  shareText,
} from "./goals.ts";
import { axisText, configurationLabel, isSameAt, sweepAxes } from "./parameters.ts";
import { placementText } from "./result-tables.ts";
import {
  BACKENDS,
  judgedMetrics,
  VERDICT_STATES,
  verdictSummary,
  verdictText,
} from "./validation-tables.ts";

export type Fact = readonly [name: string, text: string, state?: "good" | "bad" | "warn"];

export interface Decision {
  /** "arrival rate 20/s"; empty where no load is swept. */
  readonly load: string;
  /** The configuration to run, or a sentence where there is none. */
  readonly answer: string;
  readonly state: "good" | "bad" | "warn";
  readonly facts: readonly Fact[];
  /** The configuration that is described; undefined where all are unstable. */
  readonly chosen: ConfigurationResult | undefined;
  /** Of a plan: how far it is known to be the cheapest, and what confirms that it keeps the SLO. */
  readonly plan?: { readonly title: string; readonly evidence: string };
}

type Answer = Omit<Decision, "load">;

/** A decision for each load, the lowest first. */
export function decisionsOf(
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Decision[] {
  const judged = document.configurations.some((one) => one.slo !== undefined);
  return choicesOf(document).map((choice) => {
    const decide = !judged ? fastest : choice.best.length === 0 ? miss : met;
    return { load: choice.load, ...(decide(choice, validation) ?? allUnstable(choice)) };
  });
}

function met(choice: Choice, validation: ValidationDocument | undefined): Answer {
  const [chosen, ...ties] = choice.best;
  const name = (one: ConfigurationResult) => choiceName({ ...choice, best: [one] });
  return {
    answer: name(chosen),
    state: "good",
    chosen,
    facts: told([
      ...facts(chosen, choice),
      ["tied with it", tieText(ties.map(name))],
      trust(chosen, choice.document, validation),
      ["next cheaper", cheaperText(chosen, choice)],
      ["next faster", fasterText(chosen, choice)],
      ["headroom", headroomText(chosen, choice)],
    ]),
  };
}

const MOST_TIES = 3;

function tieText(ties: readonly string[]): string {
  if (ties.length === 0) return "";
  const more = ties.length > MOST_TIES ? `${ties.length - MOST_TIES} more` : "";
  return `${joined([...ties.slice(0, MOST_TIES), more], "; ")}: as good as can be told`;
}

function facts(one: ConfigurationResult, choice: Choice): readonly Fact[] {
  const attained = attainedBy(one, choice.document);
  const per1000 = one.metrics.costPer1000Requests;
  const perRequests =
    per1000 === undefined ? "" : `${formatNumber(per1000.mean)} per 1,000 requests`;
  return told([
    ["replicas", replicasText(one)],
    ["runs on", one.placement === undefined ? "" : placementText(one.placement)],
    ["cost", joined([costText(one), perRequests], ", ")],
    ["latency", choiceLatency({ ...choice, best: [one] })],
    ["within the SLO", attained.map((own) => shareText(one, own)).join("; ")],
  ]);
}

export function told(facts: readonly Fact[]): readonly Fact[] {
  return facts.filter(([, text]) => text !== "");
}

/** "detect 3, plate 2": the mean under scaling. */
function replicasText({ tasks }: Pick<ConfigurationResult, "tasks">): string {
  return Object.entries(tasks)
    .flatMap(([task, { replicasMean }]) =>
      replicasMean === undefined ? [] : `${task} ${formatNumber(replicasMean.mean)}`,
    )
    .join(", ");
}

/** Without an SLO the fastest is the answer. */
function fastest(choice: Choice, validation: ValidationDocument | undefined): Answer | undefined {
  const { document, members, axes } = choice;
  const metric = (one: ConfigurationResult) =>
    one.metrics.latencyP99Ms?.mean ?? one.metrics.latencyMeanMs?.mean ?? Number.POSITIVE_INFINITY;
  const stable = members.filter((one) => !isUnstable(one));
  const [chosen] = stable.toSorted((a, b) => metric(a) - metric(b));
  if (chosen === undefined) return undefined;
  const all = plural(members.length, "configuration");
  const hasGoal = document.slo !== undefined || document.slos !== undefined;
  return {
    answer: `${configurationLabel(chosen, axes)}${members.length === 1 ? "" : `: the fastest of ${all}`}`,
    state: "warn",
    chosen,
    facts: [
      ...facts(chosen, choice),
      trust(chosen, document, validation),
      ["SLO", hasGoal ? UNJUDGED : NO_GOAL],
    ],
  };
}

const NO_GOAL =
  "none, so nothing says which is good enough: set `slo: { latencyMs, percentile }` of the pipeline";
const UNJUDGED = "not judged: these runs are for a validation; `tandem simulate` judges it";

function allUnstable({ members }: Choice): Answer {
  const busiest = busiestTask(members[0]);
  const help =
    busiest === undefined
      ? "more replicas or less load"
      : `more replicas of ${busiest.task}, larger batches, or a faster device for it`;
  return {
    answer: "none: every configuration is overloaded",
    state: "bad",
    chosen: undefined,
    facts: [["would help", help]],
  };
}

/** The nearest miss, and a way out. */
function miss(choice: Choice): Answer | undefined {
  const nearest = nearestOf(choice.members, choice.document);
  if (nearest === undefined) return undefined;
  const { one, attained } = nearest;
  return {
    answer: `none is shown to meet the SLO; nearest: ${configurationLabel(one, choice.axes)}`,
    state: "bad",
    chosen: one,
    facts: [
      ...facts(one, choice),
      ["would help", helpText(one, attained)],
      ...(one.slo === "unclear" ? [] : searchFact(choice.document)),
    ],
  };
}

/** Below this utilisation of the busiest task, queues are not to blame. */
const IDLE = 0.4;

function helpText(one: ConfigurationResult, { goal, pipeline }: Attained): string {
  if (one.slo === "unclear") {
    return "unclear: the interval of its share contains the percentile of the SLO; more replications or longer runs tell";
  }
  const { latencyMeanMs, queueWaitMeanMs } = one.metrics;
  const serviceMs = (latencyMeanMs?.mean ?? 0) - (queueWaitMeanMs?.mean ?? Infinity);
  if (pipeline === undefined && serviceMs > goal.latencyMs) {
    const mean = formatNumber(serviceMs);
    return `a request takes ${mean} ms on average without its waits, so more replicas do not: a faster model or device`;
  }
  const busiest = busiestTask(one);
  if (busiest === undefined) return "more replicas, or a faster device";
  const { task, utilisation } = busiest;
  const busy = `its busiest task, ${task}, works ${formatNumber(100 * utilisation)} % of the time`;
  return utilisation < IDLE
    ? `${busy}, so more replicas alone do not: service itself takes too long; a faster model or device, or smaller batches`
    : `${busy}: more replicas of it, larger batches, or a faster device`;
}

function busiestTask({
  tasks,
}: Pick<ConfigurationResult, "tasks">): { task: string; utilisation: number } | undefined {
  return Object.entries(tasks)
    .flatMap(([task, { utilizationRatio }]) =>
      utilizationRatio === undefined ? [] : { task, utilisation: utilizationRatio.mean },
    )
    .toSorted((a, b) => b.utilisation - a.utilisation)[0];
}

/** The best of all that cost less: by how much it misses. */
function cheaperText(chosen: ConfigurationResult, { members, axes, document }: Choice): string {
  const cheaper = members.filter((one) => byCost(one, chosen) < 0);
  if (cheaper.length === 0) return `${unexplored(members)}${searchText(document)}`;
  const nearest = nearestOf(cheaper, document);
  const count = plural(cheaper.length, "cheaper one", "cheaper ones");
  if (nearest === undefined) return `none: all ${count} are overloaded`;
  const { one, attained } = nearest;
  const fails = one.slo === "unclear" ? "may or may not meet the SLO" : "misses the SLO";
  return `${configurationLabel(one, axes)} (${costText(one)}) ${fails}: ${attainedText(one, attained)}`;
}

function unexplored(members: Choice["members"]): string {
  const [first] = members;
  return members.length > 1 && members.every((one) => byCost(one, first) === 0)
    ? "not known: all that was simulated costs the same"
    : "nothing cheaper was simulated";
}

/** `plan` searches no cluster for language models, whose requests alone have a time to the first token. */
function canPlan({ configurations }: ResultsDocument): boolean {
  return configurations.every(({ metrics }) => metrics.ttftMeanMs === undefined);
}

function searchText(document: ResultsDocument): string {
  return canPlan(document) ? `: ${planCommand(document)} searches` : "";
}

function searchFact(document: ResultsDocument): readonly Fact[] {
  return canPlan(document)
    ? [["next step", `${planCommand(document)} searches the cheapest cluster that keeps the SLO`]]
    : [];
}

/** The command that searches the scenario of these results, without the place of the program. */
function planCommand({ command }: Pick<ResultsDocument, "command">): string {
  const [, npx = "", scenario] = /^(npx )?.*? simulate ('[^']*'|\S+)/.exec(command) ?? [];
  return scenario === undefined ? "`tandem plan`" : `\`${npx}tandem plan ${scenario}\``;
}

/** The cheapest that is faster beyond both intervals, then the fastest of these. */
function fasterText(chosen: ConfigurationResult, { members, axes, document }: Choice): string {
  const name = latencyOf(document);
  const own = chosen.metrics[name];
  if (own === undefined) return "not known: no such latency is reported";
  const faster = members.filter((one) => {
    const other = one.metrics[name];
    if (other === undefined || isUnstable(one)) return false;
    return other.mean + other.halfWidth95 < own.mean - own.halfWidth95;
  });
  const [next] = faster.toSorted(
    (a, b) => byCost(a, b) || (a.metrics[name]?.mean ?? 0) - (b.metrics[name]?.mean ?? 0),
  );
  if (next === undefined) return "nothing that was simulated is shown to be faster";
  const { text } = metricLabel(name);
  return `${configurationLabel(next, axes)} (${costText(next)}): ${text} ${figureText(next, name, next.metrics[name])} ms`;
}

/** How far the load may grow: by the simulated loads, then by the busiest station. */
function headroomText(chosen: ConfigurationResult, { axes, document }: Choice): string {
  const loads = sweepAxes(document).filter(({ kind }) => kind === "load");
  const [load] = loads;
  const bound = boundText(chosen);
  if (loads.length !== 1 || !load.isNumeric) return bound;
  const others = axes.map(({ path }) => path);
  const at = (one: ConfigurationResult) => Number(one.parameters[load.path]);
  const heavier = document.configurations
    .filter((one) => at(one) > at(chosen) && isSameAt(others, one, chosen))
    .toSorted((a, b) => at(a) - at(b));
  const failing = heavier.findIndex((one) => one.slo !== "meets");
  const borne = heavier.at(failing < 0 ? -1 : failing - 1);
  const fails = heavier[failing];
  const text = (one: ConfigurationResult) => axisText(load, one.parameters);
  const parts = [
    borne === undefined || failing === 0 ? "" : `meets the SLO up to ${text(borne)}`,
    fails === undefined ? "" : `${failsText(fails, document)} at ${text(fails)}`,
    heavier.length === 0 ? "no higher load was simulated" : "",
  ];
  return joined([...parts, bound], "; ");
}

function failsText(one: ConfigurationResult, document: ResultsDocument): string {
  if (isUnstable(one)) return "is overloaded";
  const [attained] = attainedBy(one, document);
  const verb = one.slo === "unclear" ? "may miss it" : "misses it";
  if (attained === undefined) return verb;
  const percent = formatEstimate(attained.share, 100);
  return marginOf(attained) < 0 || one.slo === "misses" ? `${verb} (${percent} %)` : verb;
}

/** "stable up to 1.6 times this load (busiest station at 62 % of its capacity); the SLO may fail before". */
export function boundText({ offeredLoadRatio }: ConfigurationResult): string {
  if (offeredLoadRatio === undefined || !(offeredLoadRatio > 0) || offeredLoadRatio >= 1) return "";
  const most = formatNumber(1 / offeredLoadRatio, 2);
  return `stable up to ${most} times this load (busiest station at ${formatNumber(100 * offeredLoadRatio)} % of its capacity); the SLO may fail before`;
}

/** Whether this configuration was run for real, and how well the prediction held. */
export function trust(
  chosen: ConfigurationResult,
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): Fact {
  const all = validation?.configurations ?? [];
  if (validation === undefined || all.length === 0) {
    return ["validated", "no: `tandem validate` runs it for real and compares", "warn"];
  }
  const swept = sweepAxes(document).map(({ path }) => path);
  const own = all.find((one) => isSameAt(swept, one, chosen));
  if (own !== undefined)
    return ["validated", ownVerdict(own, validation), VERDICT_STATES[own.verdict]];
  const isRefuted = all.some(({ verdict }) => verdict === "disagrees");
  const text = `not this one, but ${verdictSummary(validation)}`;
  return ["validated", text, isRefuted ? "bad" : "warn"];
}

function ownVerdict(one: ValidationResult, validation: ValidationDocument): string {
  const { repeats, backend } = one.measured;
  const ran = `${plural(repeats, "run")}, ${BACKENDS[backend]}`;
  if (one.verdict === "cannot tell") return `${verdictText(one, validation)}; ${ran}`;
  const errors = judgedMetrics(validation).flatMap((name) =>
    one.error[name] === undefined
      ? []
      : `${metricLabel(name).text} ${formatError(one.error[name])}`,
  );
  const verdict = one.verdict === "agrees" ? "agree" : "disagree";
  return `prediction and measurement ${verdict}: predicted less measured ${errors.join(", ")}; ${ran}`;
}
