/** Choices that a user has about a scenario, the values that they give it, and the text that a link shares them by. */
import type { LoadedScenario, ScenarioDocument } from "../../library/browser.ts";

/** Jobs that start together, and how long the first of them waits for the others. */
export interface Batch {
  readonly maxBatch: number;
  readonly waitMs: number;
}

/** Changes to a scenario; absent parts are as in the scenario. Plain data, kept short for addresses. */
export interface Choices {
  readonly replicas?: Readonly<Record<string, number>>;
  /** By name of the kind of node. */
  readonly machines?: Readonly<Record<string, number>>;
  readonly costPerHour?: Readonly<Record<string, number>>;
  /** A preset's name. */
  readonly scheduler?: string;
  /** Parameters of the preset's policies, by decision. */
  readonly parameters?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** In place of the scheduler's own batching; a `maxBatch` of 1 starts each job alone. */
  readonly batch?: Batch;
  /** SLOs, ms, by pipeline. */
  readonly sloMs?: Readonly<Record<string, number>>;
  /** Service times are multiplied by this. */
  readonly serviceScale?: number;
}

/** How much each point of a curve runs. */
export interface Effort {
  readonly seed: number;
  /** Requests of each run, warm-up included; null: the scenario's own extent. */
  readonly requests: number | null;
  readonly replications: number;
}

/** The quantity on the axis of loads. */
export interface LoadAxis {
  readonly kind: "rate" | "clients" | "burst" | "times";
  readonly label: string;
  readonly unit: string;
  /** The scenario's own load. */
  readonly base: number;
}

/** `1 request per s`, `12.5 requests per s`. */
export function loadText({ unit }: Pick<LoadAxis, "unit">, load: number): string {
  return `${load} ${load === 1 ? unit.replace(/^(request|client)s/, "$1") : unit}`;
}

type Workload = ScenarioDocument["workload"];
type Overrides = Readonly<Record<string, unknown>>;

export function loadAxisOf({ workload }: ScenarioDocument): LoadAxis {
  if ("ratePerS" in workload) {
    return { kind: "rate", label: "Load", unit: "requests per s", base: workload.ratePerS };
  }
  if (workload.arrivals === "closed" && typeof workload.clients === "number") {
    return { kind: "clients", label: "Clients", unit: "clients", base: workload.clients };
  }
  if (workload.arrivals === "burst" || workload.arrivals === "mlperf-offline") {
    return { kind: "burst", label: "Burst", unit: "requests at once", base: workload.requests };
  }
  return { kind: "times", label: "Load", unit: "times the scenario's load", base: 1 };
}

/** Whether the workload can be heavier or lighter as a whole. */
export function isScalable({ workload }: ScenarioDocument): boolean {
  const { arrivals } = workload;
  if (arrivals === "closed") return typeof workload.clients === "number";
  return arrivals !== "mlperf-single-stream" && arrivals !== "mlperf-multi-stream";
}

/** Loads are rounded to so many digits, so that they stay readable in files. */
const DIGITS = 4;
const rounded = (value: number): number => Number(value.toPrecision(DIGITS));

const POINTS = 12;
/** The axis ends at one of these, times a power of ten, so that it rarely moves. */
const ENDS = [1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10];
/** How far beyond the capacity curves go. */
const BEYOND = 1.1;
/** Bursts of one request say nothing of the others. */
const FEWEST_AT_ONCE = 48;

/**
 * The loads of a curve, ascending: the scenario's own, and others in equal steps to a little beyond
 * `capacityPerS`; without one (0), to twice the scenario's own.
 */
export function gridOf({ kind, base }: LoadAxis, capacityPerS: number): readonly number[] {
  const wide = kind === "burst" ? Math.max(2 * base, FEWEST_AT_ONCE) : 2 * base;
  const least = Math.max(capacityPerS === 0 ? wide : capacityPerS * BEYOND, base * 1.05);
  const power = 10 ** Math.floor(Math.log10(least));
  const top = power * (ENDS.find((end) => end * power >= least) ?? 10);
  const steps = Array.from({ length: POINTS }, (_, i) => rounded((top * (i + 1)) / POINTS));
  const all = [
    ...steps.map((load) => (isWhole(kind) ? Math.max(1, Math.round(load)) : load)),
    base,
  ];
  return [...new Set(all)].sort((a, b) => a - b);
}

function isWhole(kind: LoadAxis["kind"]): boolean {
  return kind === "clients" || kind === "burst";
}

/** Loads are told apart to so many parts of a step of the grid: four bisections. */
const PARTS = 15;

/** The load halfway; undefined where `low` and `high` are close enough, or the ascending `grid` is one load. */
export function middleOf(
  { kind }: LoadAxis,
  grid: readonly number[],
  low: number,
  high = low,
): number | undefined {
  const least = isWhole(kind) ? 1 : Math.max(...grid) / POINTS / PARTS;
  if (grid.length < 2 || high - low <= least) return undefined;
  return isWhole(kind) ? Math.floor((low + high) / 2) : rounded((low + high) / 2);
}

/**
 * The loads that show a curve's form: every third of the ascending `loads`, both ends, the scenario's own, and
 * the last one below the capacity, where the curve bends.
 */
export function outlineOf(
  loads: readonly number[],
  { kind, base }: LoadAxis,
  capacityPerS: number | null,
): readonly number[] {
  const bend = kind === "rate" ? loads.findLast((load) => load < (capacityPerS ?? 0)) : undefined;
  const last = loads.length - 1;
  return loads.filter((load, i) => i % 3 === 0 || i === last || load === base || load === bend);
}

/** Share of a point's requests that arrive before the measured window. */
const WARM_UP = 0.1;

/**
 * The swept values of one point of the axis. Runs of a number of requests leave out their first tenth.
 * Loads count requests per second, clients, requests at once, or times the scenario's load.
 */
export function pointAt(
  { workload }: ScenarioDocument,
  { kind }: LoadAxis,
  load: number,
  { requests }: Effort,
): Overrides {
  const warmup =
    requests === null || !isSpanned(workload)
      ? {}
      : { "workload.warmupS": rounded((WARM_UP * requests) / load) };
  switch (kind) {
    case "rate":
      return { "workload.ratePerS": load, ...warmup };
    case "clients":
      return { "workload.clients": load };
    case "burst":
      return { "workload.requests": load };
    case "times":
      return timesOf(workload, load);
  }
}

function timesOf(workload: Workload, times: number): Overrides {
  switch (workload.arrivals) {
    case "trace":
      return { "workload.scale": rounded(workload.scale / times) };
    case "mmpp": {
      const states = workload.states.map((state) => scaled(state, times));
      return { "workload.states": states };
    }
    case "ramp":
      return { "workload.rates": workload.rates.map((rate) => scaled(rate, times)) };
    default:
      return { "workload.arrivals": workload.arrivals };
  }
}

function scaled<T extends { readonly ratePerS: number }>(one: T, times: number): T {
  return { ...one, ratePerS: rounded(one.ratePerS * times) };
}

function isSpanned({ arrivals }: Workload): boolean {
  return arrivals !== "burst" && !arrivals.startsWith("mlperf-");
}

/** All values that choices and effort give a scenario without a sweep, by path as for `--set`. */
export function overridesOf(
  { document, traces }: Pick<LoadedScenario, "document" | "traces">,
  choices: Choices,
  effort: Effort,
): Overrides {
  return {
    run: { seed: effort.seed, replications: effort.replications },
    workload: workloadOf(document.workload, effort, traces),
    ...(choices.scheduler === undefined ? {} : { scheduler: choices.scheduler }),
    ...policiesOf(choices),
    ...clusterOf(document, choices),
    ...byKey(choices.sloMs, (pipeline) => `pipelines.${pipeline}.slo.latencyMs`),
  };
}

function workloadOf(
  workload: Workload,
  { requests }: Effort,
  traces: LoadedScenario["traces"],
): Overrides {
  if (requests === null) return { ...workload };
  if ("minQueries" in workload) return { ...workload, minQueries: requests, minDurationS: 1 };
  if (!isSpanned(workload)) return { ...workload };
  if (workload.arrivals === "trace") {
    if (workload.repeat === "fill") return { ...workload };
    const rows = traces[workload.file].length * (workload.repeat ?? 1);
    return { ...workload, requests: Math.min(requests, workload.requests ?? rows, rows) };
  }
  const { durationS: _, ...rest } = workload as { durationS?: number };
  // Without a rate to tell its length by, the start is part of the window.
  const warmupS = "ratePerS" in workload ? {} : { warmupS: 0 };
  return { ...rest, requests, ...warmupS };
}

/** Policies in place of the scheduler's own, by path. */
export function policiesOf({ parameters, batch }: Choices): Overrides {
  const own = byKey(parameters, (decision) => `scheduler.${decision}`);
  if (batch === undefined) return own;
  const batching = batch.maxBatch === 1 ? "none" : { policy: "size-or-timeout", ...batch };
  return { ...own, "scheduler.batching": batching };
}

/** Other numbers of replicas than those that the scenario places. */
export function isPlacedAnew(
  { replicas = {} }: Choices,
  given: { readonly replicas: Readonly<Record<string, number>>; readonly isPlaced: boolean },
): boolean {
  const isOther = Object.entries(replicas).some(([task, n]) => given.replicas[task] !== n);
  return given.isPlaced && isOther;
}

function clusterOf({ cluster }: ScenarioDocument, choices: Choices): Overrides {
  const { replicas, machines = {}, costPerHour = {}, serviceScale = 1 } = choices;
  const counts = byKey(replicas, (task) => `cluster.replicas.${task}`);
  const { nodes } = cluster;
  const isOther = nodes !== undefined && (choices.machines ?? choices.costPerHour) !== undefined;
  if (serviceScale === 1 && !isOther) return counts;
  const total = Object.values({ ...cluster.replicas, ...replicas }).reduce((sum, n) => sum + n, 0);
  // As the simulator does without nodes: one machine with a slot for each replica.
  const devices = { slot: { slots: Math.max(1, total) } };
  const alone = { name: "node", count: 1, costPerHour: 0, devices };
  const changed = (nodes ?? [alone]).map((node) => ({
    ...node,
    count: machines[node.name] ?? node.count,
    costPerHour: costPerHour[node.name] ?? node.costPerHour,
    devices: serviceScale === 1 ? node.devices : slowed(node.devices, serviceScale),
  }));
  return { ...counts, "cluster.nodes": changed };
}

function slowed(devices: Readonly<Record<string, number | object>>, serviceScale: number) {
  const entries = Object.entries(devices).map(([kind, device]) => {
    const whole = typeof device === "number" ? { slots: device } : device;
    const { speed = 1 } = whole as { readonly speed?: number };
    return [kind, { ...whole, speed: rounded(speed / serviceScale) }];
  });
  return Object.fromEntries(entries);
}

function byKey(
  values: Readonly<Record<string, unknown>> | undefined,
  pathOf: (key: string) => string,
): Overrides {
  return Object.fromEntries(Object.entries(values ?? {}).map(([key, one]) => [pathOf(key), one]));
}

/** Times that one chart shows together, the last of them in full; the others are dashed. */
export const TIMES = [
  {
    title: "Latency, ms",
    goal: "latencyMs",
    figures: [
      { id: "latencyP50Ms", name: "p50", dash: [2, 3] },
      { id: "latencyP95Ms", name: "p95", dash: [7, 4] },
      { id: "latencyP99Ms", name: "p99" },
    ],
  },
  {
    title: "Time to first token, ms",
    goal: "ttftMs",
    figures: [
      { id: "ttftMeanMs", name: "TTFT, mean", dash: [2, 3] },
      { id: "ttftP99Ms", name: "TTFT, p99" },
    ],
  },
  {
    title: "Time per output token, ms",
    goal: "tpotMs",
    figures: [
      { id: "tpotMeanMs", name: "TPOT, mean", dash: [2, 3] },
      { id: "tpotP99Ms", name: "TPOT, p99" },
    ],
  },
] as const;

/** A time that configurations are compared by. */
export type Figure = (typeof TIMES)[number]["figures"][number]["id"];

/** The times that a figure is shown with. */
export function timesWith(figure: Figure): (typeof TIMES)[number] {
  return TIMES.find(({ figures }) => figures.some(({ id }) => id === figure)) ?? TIMES[0];
}

export interface WhatIfState {
  readonly choices: Choices;
  /** Configurations to compare with. */
  readonly pins: readonly Choices[];
  /** The load that figures are read at; null: the scenario's own. */
  readonly load: number | null;
  /** Configurations are compared by it. */
  readonly quantile: Figure;
  /** Requests of each run; null: the scenario's own extent. */
  readonly requests: number | null;
}

/** With the tenth that is left out, so that 5,000 count. */
export const FEW_REQUESTS = 5600;
export const MOST_PINS = 4;

export const FIRST_STATE: WhatIfState = {
  choices: {},
  pins: [],
  load: null,
  quantile: "latencyP99Ms",
  requests: FEW_REQUESTS,
};

/** Only what differs from the first state. */
export function stateText(state: WhatIfState): string {
  const changed = Object.entries(state).filter(
    ([key, value]) =>
      JSON.stringify(value) !== JSON.stringify(FIRST_STATE[key as keyof WhatIfState]),
  );
  if (changed.length === 0) return "";
  const bytes = new TextEncoder().encode(JSON.stringify(Object.fromEntries(changed)));
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The first state where a text is not one of these. The simulator checks the choices. */
export function stateOf(text: string): WhatIfState {
  try {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(plain, (character) => character.charCodeAt(0));
    const given = JSON.parse(new TextDecoder().decode(bytes)) as Partial<WhatIfState>;
    const state = { ...FIRST_STATE, ...given };
    const figures = TIMES.flatMap((times) => times.figures.map(({ id }): string => id));
    const isKnown = figures.includes(state.quantile);
    if (!isKnown || typeof state.choices !== "object" || !Array.isArray(state.pins)) {
      return FIRST_STATE;
    }
    return { ...state, pins: state.pins.slice(0, MOST_PINS) };
  } catch {
    return FIRST_STATE;
  }
}
