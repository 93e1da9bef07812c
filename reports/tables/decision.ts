/** The decision for each load: the configuration to run, how far it is proven, and how it would change. */
import type {
  ConfigurationResult,
  ResultsDocument,
  ValidationDocument,
  ValidationResult,
} from "../../core/results.ts";
import {
  figureText,
  formatError,
  formatEstimate,
  formatNumber,
  isUnstable,
  metricLabel,
  plural,
} from "./format.ts";
import {
  type Attained,
  attainedBy,
  attainedText,
  type Choice,
  choiceLatency,
  choiceName,
  choicesOf,
  costText,
  marginOf,
  nearestOf,
  price,
  replicas,
  shareText,
  sloMetric,
} from "./goals.ts";
import { axisText, configurationLabel, isSameAt, type SweepAxis, sweepAxes } from "./parameters.ts";
import { placementText } from "./result-tables.ts";
import { BACKENDS, judgedMetrics, VERDICT_STATES } from "./validation-tables.ts";

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
}

/** A decision for each load, the lowest first. */
export function decisionsOf(
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Decision[] {
  const judged = document.configurations.some((one) => one.slo !== undefined);
  return choicesOf(document).map((choice) => {
    if (!judged) return fastest(choice, document, validation);
    if (choice.best.length === 0) return miss(choice, document);
    return met(choice, document, validation);
  });
}

function met(
  choice: Choice,
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): Decision {
  const [chosen, ...ties] = choice.best;
  const axes = sweepAxes(document);
  const name = (one: ConfigurationResult) => choiceName({ ...choice, best: [one] }, axes);
  const tied: Fact[] = ties.length === 0 ? [] : [["tied with it", tieText(ties, name)]];
  return {
    load: choice.load,
    answer: name(chosen),
    state: "good",
    chosen,
    facts: [
      ...facts(chosen, choice, document),
      ...tied,
      trust(chosen, document, validation),
      ["next cheaper", cheaperText(chosen, choice, document)],
      ["next faster", fasterText(chosen, choice, document)],
      ["more load", headroomText(chosen, document)],
    ],
  };
}

const MOST_TIES = 3;

function tieText(ties: readonly ConfigurationResult[], name: (one: ConfigurationResult) => string) {
  const shown = ties.slice(0, MOST_TIES).map(name);
  const more = ties.length > shown.length ? [`${ties.length - shown.length} more`] : [];
  return `${[...shown, ...more].join("; ")}: as good as can be told`;
}

/** Replicas, place, cost, latency and attainment. */
function facts(
  one: ConfigurationResult,
  choice: Choice,
  document: ResultsDocument,
): readonly Fact[] {
  const attained = attainedBy(one, document);
  const latency = choiceLatency({ ...choice, best: [one] }, document);
  const where = one.placement === undefined ? "" : placementText(one.placement);
  const per1000 = one.metrics.costPer1000Requests;
  const cost = [
    costText(one),
    ...(per1000 === undefined ? [] : [`${formatNumber(per1000.mean)} per 1,000 requests`]),
  ];
  return told([
    ["replicas", replicasText(one)],
    ["runs on", where],
    ["cost", cost.filter((text) => text !== "").join(", ")],
    ["latency", latency],
    ["within the goal", attained.map((own) => shareText(one, own)).join("; ")],
  ]);
}

/** The facts that say something. */
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

/** Without a goal the fastest is the answer. */
function fastest(
  choice: Choice,
  document: ResultsDocument,
  validation: ValidationDocument | undefined,
): Decision {
  const metric = (one: ConfigurationResult) =>
    one.metrics.latencyP99Ms?.mean ?? one.metrics.latencyMeanMs?.mean ?? Number.POSITIVE_INFINITY;
  const stable = choice.members.filter((one) => !isUnstable(one));
  const [chosen] = stable.toSorted((a, b) => metric(a) - metric(b));
  if (chosen === undefined) return allUnstable(choice);
  const alone = choice.members.length === 1;
  const name = configurationLabel(chosen, axesBesideLoad(document));
  return {
    load: choice.load,
    answer: alone
      ? name
      : `${name}: the fastest of ${plural(choice.members.length, "configuration")}`,
    state: "warn",
    chosen,
    facts: [
      ...facts(chosen, choice, document),
      trust(chosen, document, validation),
      ["goal", hasGoal(document) ? UNJUDGED : NO_GOAL],
    ],
  };
}

const NO_GOAL =
  "none, so nothing says which is good enough: set `slo: { latencyMs, percentile }` of the pipeline";
const UNJUDGED = "not judged: these runs are for a validation; `tandem simulate` judges it";

function hasGoal({ slo, slos }: ResultsDocument): boolean {
  return slo !== undefined || slos !== undefined;
}

function axesBesideLoad(document: ResultsDocument): readonly SweepAxis[] {
  return sweepAxes(document).filter(({ kind }) => kind !== "load");
}

function allUnstable({ load, members }: Choice): Decision {
  const busiest = busiestTask(members[0]);
  return {
    load,
    answer: "none: every configuration is overloaded",
    state: "bad",
    chosen: undefined,
    facts: [
      [
        "would help",
        busiest === undefined
          ? "more replicas or less load"
          : `more replicas of ${busiest.task}, larger batches, or a faster device for it`,
      ],
    ],
  };
}

/** The nearest miss, and a way out. */
function miss(choice: Choice, document: ResultsDocument): Decision {
  const nearest = nearestOf(choice.members, document);
  if (nearest === undefined) return allUnstable(choice);
  const { one } = nearest;
  const name = configurationLabel(one, axesBesideLoad(document));
  return {
    load: choice.load,
    answer: `none is shown to meet the goal; nearest: ${name}`,
    state: "bad",
    chosen: one,
    facts: [...facts(one, choice, document), ["would help", helpText(one, nearest.attained)]],
  };
}

/** Below this utilisation of the busiest task, queues are not to blame. */
const IDLE = 0.4;

function helpText(one: ConfigurationResult, { goal, pipeline }: Attained): string {
  if (one.slo === "unclear") {
    return "its interval holds the goal: more replications or longer runs tell whether it meets it";
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

/** The task whose replicas work most. */
function busiestTask({
  tasks,
}: Pick<ConfigurationResult, "tasks">): { task: string; utilisation: number } | undefined {
  return Object.entries(tasks)
    .flatMap(([task, { utilizationRatio }]) =>
      utilizationRatio === undefined ? [] : { task, utilisation: utilizationRatio.mean },
    )
    .toSorted((a, b) => b.utilisation - a.utilisation)[0];
}

/** Price first, then replicas. */
function costOrder(a: ConfigurationResult, b: ConfigurationResult): number {
  const of = (one: ConfigurationResult, figure: typeof price) => figure(one)?.mean ?? 0;
  const [byPrice, byCount] = [of(a, price) - of(b, price), of(a, replicas) - of(b, replicas)];
  return Math.abs(byPrice) > 1e-9 * Math.abs(of(a, price)) ? byPrice : byCount;
}

/** The best of all that cost less: by how much it misses. */
function cheaperText(
  chosen: ConfigurationResult,
  { members }: Choice,
  document: ResultsDocument,
): string {
  const cheaper = members.filter((one) => costOrder(one, chosen) < 0);
  if (cheaper.length === 0) return "nothing cheaper was simulated";
  const nearest = nearestOf(cheaper, document);
  const count = plural(cheaper.length, "cheaper one", "cheaper ones");
  if (nearest === undefined) return `none: all ${count} are overloaded`;
  const { one, attained } = nearest;
  const name = configurationLabel(one, axesBesideLoad(document));
  const fails = one.slo === "unclear" ? "may or may not meet the goal" : "misses the goal";
  return `${name} (${costText(one)}) ${fails}: ${attainedText(one, attained)}`;
}

/** The cheapest that is faster beyond both intervals, then the fastest of these. */
function fasterText(
  chosen: ConfigurationResult,
  { members }: Choice,
  document: ResultsDocument,
): string {
  const name = sloMetric(document.slo) ?? "latencyP99Ms";
  const own = chosen.metrics[name];
  if (own === undefined) return "not known: no such latency is reported";
  const faster = members.filter((one) => {
    const other = one.metrics[name];
    if (other === undefined || isUnstable(one)) return false;
    return other.mean + other.halfWidth95 < own.mean - own.halfWidth95;
  });
  const [next] = faster.toSorted(
    (a, b) => costOrder(a, b) || (a.metrics[name]?.mean ?? 0) - (b.metrics[name]?.mean ?? 0),
  );
  if (next === undefined) return "nothing that was simulated is shown to be faster";
  const { text } = metricLabel(name);
  const label = configurationLabel(next, axesBesideLoad(document));
  return `${label} (${costText(next)}): ${text} ${figureText(next, name, next.metrics[name])} ms`;
}

/** How far the load may grow: by what was simulated, then by the busiest station. */
function headroomText(chosen: ConfigurationResult, document: ResultsDocument): string {
  const axes = sweepAxes(document);
  const loads = axes.filter(({ kind, isNumeric }) => kind === "load" && isNumeric);
  const [load] = loads;
  const bound = boundText(chosen);
  if (load === undefined || loads.length > 1) return bound;
  const others = axes.filter((axis) => axis !== load).map(({ path }) => path);
  const at = (one: ConfigurationResult) => Number(one.parameters[load.path]);
  const heavier = document.configurations
    .filter((one) => at(one) > at(chosen))
    .filter((one) => isSameAt(others, one, chosen))
    .toSorted((a, b) => at(a) - at(b));
  const failing = heavier.findIndex((one) => one.slo !== "meets");
  const borne = failing < 0 ? heavier : heavier.slice(0, failing);
  const fails = failing < 0 ? undefined : heavier[failing];
  const text = (one: ConfigurationResult) => axisText(load, one.parameters);
  const parts = [
    ...(borne.length === 0 ? [] : [`meets the goal up to ${text(borne[borne.length - 1])}`]),
    ...(fails === undefined ? [] : [`${failsText(fails, document)} at ${text(fails)}`]),
    ...(heavier.length === 0 ? ["no higher load was simulated"] : []),
  ];
  return [...parts, bound].filter((part) => part !== "").join("; ");
}

function failsText(one: ConfigurationResult, document: ResultsDocument): string {
  if (isUnstable(one)) return "is overloaded";
  const [attained] = attainedBy(one, document);
  const verb = one.slo === "unclear" ? "may miss it" : "misses it";
  if (attained === undefined) return verb;
  const percent = formatEstimate(attained.share, 100);
  return marginOf(attained) < 0 || one.slo === "misses" ? `${verb} (${percent} %)` : verb;
}

/** "its busiest station is offered 62 % of what it can do, so queues grow without end at 1.6 times the load". */
export function boundText({ offeredLoadRatio }: ConfigurationResult): string {
  if (offeredLoadRatio === undefined || !(offeredLoadRatio > 0) || offeredLoadRatio >= 1) return "";
  const most = formatNumber(1 / offeredLoadRatio, 2);
  return `its busiest station is offered ${formatNumber(100 * offeredLoadRatio)} % of what it can do: ${most} times this load is the end`;
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
  const agree = all.filter(({ verdict }) => verdict === "agrees").length;
  const disagree = all.filter(({ verdict }) => verdict === "disagrees").length;
  const text = `not this one; of ${plural(all.length, "other configuration")} ${agree} agree with the prediction, ${disagree} disagree`;
  return ["validated", text, disagree > 0 ? "bad" : "warn"];
}

function ownVerdict(one: ValidationResult, validation: ValidationDocument): string {
  const { repeats, backend } = one.measured;
  const errors = judgedMetrics(validation).flatMap((name) =>
    one.error[name] === undefined
      ? []
      : `${metricLabel(name).text} ${formatError(one.error[name])}`,
  );
  const reason = judgedMetrics(validation).flatMap((name) => one.judgements[name]?.reason ?? [])[0];
  const verdict =
    one.verdict === "cannot tell"
      ? `not settled yet${reason === undefined ? "" : ` (${reason})`}`
      : `prediction and measurement ${one.verdict === "agrees" ? "agree" : "disagree"}`;
  return `${verdict}: predicted less measured ${errors.join(", ")}; ${plural(repeats, "run")}, ${BACKENDS[backend]}`;
}
