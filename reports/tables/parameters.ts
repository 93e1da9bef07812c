/** The parameters that a sweep varies: their names, their values in words, and their roles in charts. */
import { grouped } from "../../engine/basics/iterables.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { LoadCapacity } from "../../scenario/reading/files.ts";
import type {
  Parameter,
  ParameterKind,
  ParameterKinds,
} from "../../scenario/sweep/parameter-columns.ts";
import { parameterKind } from "../../scenario/sweep/parameter-columns.ts";
import { formatNumber, words } from "./format.ts";

export interface SweepAxis {
  readonly path: string;
  readonly kind: ParameterKind;
  /** "arrival rate (/s)": the name with its unit. */
  readonly title: string;
  readonly name: string;
  /** "/s", "ms"; empty for counts and names. */
  readonly unit: string;
  readonly isNumeric: boolean;
  /** Machines by count and name alone: that tells the levels apart. */
  readonly isBrief: boolean;
  /** Distinct values: numeric ones ascending, others in order of first appearance. */
  readonly levels: readonly Parameter[];
}

/** The configurations of results, with the kinds of their parameters. */
export interface Swept {
  readonly configurations: readonly Pick<ConfigurationResult, "parameters">[];
  /** Absent in results of earlier versions. */
  readonly parameterKinds?: ParameterKinds;
}

/** A chart's numeric x, its colour, and the rest as facets. */
export interface Roles {
  readonly x: SweepAxis | undefined;
  readonly colour: SweepAxis | undefined;
  readonly facets: readonly SweepAxis[];
}

const MOST_COLOURS = 8;
const UNITS = { PerS: "/s", Ms: "ms", S: "s", Ratio: "ratio", Gbps: "Gb/s" } as const;

/** "cluster.replicas.detect" is "detect replicas", "workload.ratePerS" "arrival rate" in "/s". */
function parameterName(
  path: string,
  kind: ParameterKind,
): { readonly name: string; readonly unit: string } {
  if (path === "workload.ratePerS") return { name: "arrival rate", unit: "/s" };
  if (path === "workload.durationS") return { name: "duration", unit: "s" };
  const parts = path.split(".");
  const last = parts.at(-1) ?? path;
  if (kind === "replicas") {
    return { name: parts.length === 2 ? "replicas" : `${last} replicas`, unit: "" };
  }
  const [ending, unit] = Object.entries(UNITS).find(
    ([end]) => last.endsWith(end) && last !== end,
  ) ?? ["", ""];
  const owner = parts.length > 2 ? `${parts.at(-2)} ` : "";
  return { name: words(`${owner}${last.slice(0, last.length - ending.length)}`), unit };
}

/** The slots of a composed scheduler: a policy's name tells its slot, so the slot's is left out. */
const SLOTS = /^(admission|selection|routing|ordering|batching|scaling|placement|policy)$/;

/** Nodes and files begin with what tells them apart: "2 × gpu (devices (gpu 4))", "./fair-queue.mjs (weights (gold 3))". */
function flattened(value: unknown, isBrief = false): string {
  if (Array.isArray(value)) return value.map((one) => flattened(one, isBrief)).join(", ");
  if (typeof value !== "object" || value === null) return String(value);
  if ("name" in value && "count" in value) {
    const { name, count, ...rest } = value;
    const first = `${count} × ${name}`;
    return isBrief ? first : withMore(first, rest);
  }
  if ("file" in value) {
    const { file, parameters, ...rest } = value as { file: unknown; parameters?: object };
    return withMore(String(file), { ...parameters, ...rest });
  }
  const entries = Object.entries(value).map(([key, inner]) => {
    const text = flattened(inner);
    const name = SLOTS.test(key) && typeof inner !== "number" ? "" : `${key} `;
    return typeof inner === "object" && inner !== null ? `${name}(${text})` : `${name}${text}`;
  });
  return entries.join(", ");
}

function withMore(first: string, rest: object): string {
  const more = flattened(rest);
  return more === "" ? first : `${first} (${more})`;
}

/** A parameter's value for people: numbers to five digits, JSON text without its punctuation. */
export function parameterText(value: Parameter | undefined, isBrief = false): string {
  if (value === undefined || value === null) return "—";
  if (typeof value === "number") return formatNumber(value, 6);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (!/^[{[]/.test(value)) return value;
  try {
    return flattened(JSON.parse(value), isBrief);
  } catch {
    return value;
  }
}

/** A stable key of a value, telling 1 from "1" and absent from present. */
function levelKey(value: Parameter | undefined): string {
  return JSON.stringify(value ?? null);
}

export function isSameAt(
  paths: readonly string[],
  a: Pick<ConfigurationResult, "parameters">,
  b: Pick<ConfigurationResult, "parameters">,
): boolean {
  return paths.every((path) => levelKey(a.parameters[path]) === levelKey(b.parameters[path]));
}

/** Only the parameters with more than one value, in order of first appearance. */
export function sweepAxes({ configurations, parameterKinds }: Swept): readonly SweepAxis[] {
  const paths = new Set(configurations.flatMap((one) => Object.keys(one.parameters)));
  const axes: SweepAxis[] = [];
  for (const path of paths) {
    const levels = new Map<string, Parameter>();
    for (const { parameters } of configurations) {
      levels.set(levelKey(parameters[path]), parameters[path] ?? null);
    }
    if (levels.size < 2) continue;
    const values = [...levels.values()];
    const isNumeric = values.every((value) => typeof value === "number");
    if (isNumeric) values.sort((a, b) => Number(a) - Number(b));
    const kind = parameterKinds?.[path] ?? parameterKind(path);
    const { name, unit } = parameterName(path, kind);
    const title = unit === "" ? name : `${name} (${unit})`;
    const brief = new Set(values.map((value) => parameterText(value, true)));
    const isBrief = brief.size === values.length;
    axes.push({ path, kind, title, name, unit, isNumeric, isBrief, levels: values });
  }
  return axes;
}

/** Whether the values of `known` already fix the value of `axis` in every configuration. */
function determined(
  axis: SweepAxis,
  known: readonly SweepAxis[],
  { configurations }: Swept,
): boolean {
  const seen = new Map<string, string>();
  for (const { parameters } of configurations) {
    const key = known.map((one) => levelKey(parameters[one.path])).join("|");
    const value = levelKey(parameters[axis.path]);
    if ((seen.get(key) ?? value) !== value) return false;
    seen.set(key, value);
  }
  return true;
}

/** The numeric load that is swept, if any. */
export function loadAxis(axes: readonly SweepAxis[]): SweepAxis | undefined {
  return axes.find(({ kind, isNumeric }) => kind === "load" && isNumeric);
}

/** The scheduler as a whole, or a part of it that is swept by name. */
export function schedulerAxis(axes: readonly SweepAxis[]): SweepAxis | undefined {
  return (
    axes.find(({ path }) => path === "scheduler") ?? axes.find(({ kind }) => kind === "scheduler")
  );
}

/** The parameter to colour by: the scheduler, else a nominal one with few levels, else any. */
export function pickColour(axes: readonly SweepAxis[]): SweepAxis | undefined {
  const few = axes.filter((axis) => axis.levels.length <= MOST_COLOURS);
  return (
    few.find((axis) => axis.path === "scheduler") ??
    few.find((axis) => axis.kind.startsWith("scheduler")) ??
    few.find((axis) => !axis.isNumeric) ??
    few[0]
  );
}

/**
 * Gives each varying parameter a role. x: `xPath` if it is numeric, else the numeric one with most
 * levels, replicas first; colour: the scheduler, else a nominal one with few levels; facets: the
 * rest. Parameters that follow from those already chosen (two counts swept in step) get no role; but of load and
 * cluster neither is hidden behind the other.
 */
export function chooseRoles(swept: Swept, xPath?: string): Roles {
  const axes = sweepAxes(swept);
  const rank = (axis: SweepAxis) =>
    (axis.path === xPath ? 1e6 : 0) + axis.levels.length + (axis.kind === "replicas" ? 0.5 : 0);
  const numeric = axes.filter((axis) => axis.isNumeric);
  const x = numeric.sort((a, b) => rank(b) - rank(a))[0];
  const known = x === undefined ? [] : [x];
  const left = axes.filter(
    (axis) =>
      axis !== x && (x === undefined || setApart(x, axis) || !determined(axis, known, swept)),
  );
  const colour = pickColour(left);
  if (colour !== undefined) known.push(colour);
  const facets: SweepAxis[] = [];
  for (const axis of left) {
    if (axis === colour || determined(axis, [...known, ...facets], swept)) continue;
    facets.push(axis);
  }
  return { x, colour, facets };
}

/** Whether no line over x joins points that differ in the other: one is the load, one the cluster. */
export function setApart(x: SweepAxis, other: SweepAxis): boolean {
  return (x.kind === "load") !== (other.kind === "load");
}

/** "detect replicas 4": one parameter with its name; the scheduler goes by its bare value. */
export function axisText(axis: SweepAxis, parameters: ConfigurationResult["parameters"]): string {
  const value = parameters[axis.path];
  const name = axis.path === "scheduler" ? "" : `${axis.name} `;
  return `${name}${levelText(axis, value)}`;
}

/** A level without its unit. */
export function valueText(
  { path, isBrief }: SweepAxis,
  parameters: ConfigurationResult["parameters"],
): string {
  return parameterText(parameters[path], isBrief);
}

/** A value with its unit: "20/s", "5 ms". */
function levelText({ unit, isBrief }: SweepAxis, value: Parameter | undefined): string {
  const between = unit === "" || unit.startsWith("/") ? "" : " ";
  return `${parameterText(value, isBrief)}${between}${unit}`;
}

/** All of the parameters with their names, in one text. */
export function axesText(
  axes: readonly SweepAxis[],
  parameters: ConfigurationResult["parameters"],
  separator = " · ",
): string {
  return axes.map((axis) => axisText(axis, parameters)).join(separator);
}

/** A configuration by its varying parameters only; its id when nothing varies. */
export function configurationLabel(
  { id, parameters }: Pick<ConfigurationResult, "id" | "parameters">,
  axes: readonly SweepAxis[],
): string {
  return axesText(axes, parameters) || id;
}

/** Orders configurations by the given axes, first axis slowest. */
export function byAxes(
  axes: readonly SweepAxis[],
): (a: ConfigurationResult, b: ConfigurationResult) => number {
  const orders = axes.map((axis) => new Map(axis.levels.map((v, i) => [levelKey(v), i])));
  return (a, b) => {
    for (const [i, axis] of axes.entries()) {
      const of = (one: ConfigurationResult) =>
        orders[i]?.get(levelKey(one.parameters[axis.path])) ?? -1;
      if (of(a) !== of(b)) return of(a) - of(b);
    }
    return 0;
  };
}

/** Notes on some of the configurations, each once, with the ids of these. */
export function notesOf(
  configurations: readonly Pick<ConfigurationResult, "id" | "notes">[],
): ReadonlyMap<string, readonly string[]> {
  const all = configurations.flatMap(({ id, notes = [] }) => notes.map((note) => ({ note, id })));
  const groups = [...grouped(all, ({ note }) => note)];
  return new Map(groups.map(([note, own]) => [note, own.map(({ id }) => id)]));
}

/** Orders equals for people: named schedulers from the simplest on, then compositions. */
export function bySimplicity({
  simplestFirst = [],
}: Pick<ResultsDocument, "simplestFirst">): (
  a: Pick<ConfigurationResult, "parameters">,
  b: Pick<ConfigurationResult, "parameters">,
) => number {
  const rank = ({ parameters: { scheduler } }: Pick<ConfigurationResult, "parameters">): number => {
    const place = simplestFirst.indexOf(String(scheduler));
    return place < 0 ? simplestFirst.length : place;
  };
  return (a, b) => rank(a) - rank(b);
}

/** A rate that was given as a share of capacity shows both, as in `8.2 (60%)`; others as any parameter. */
export function loadText(
  path: string,
  value: Parameter | undefined,
  capacity: LoadCapacity | undefined,
): string {
  const text = parameterText(value);
  const isRate = path.endsWith("ratePerS");
  const share = capacity?.shares.find(({ ratePerS }) => isRate && ratePerS === value);
  return share === undefined ? text : `${text} (${percent(share.ofCapacity)})`;
}

/** The rates, the capacity, and the shape whose it is; empty where no rate was given so. */
export function capacityText(capacity: LoadCapacity | undefined): string {
  if (capacity === undefined) return "";
  const { perS, station, replicas, shares } = capacity;
  const rates = shares.map(
    ({ ofCapacity, ratePerS }) => `${percent(ofCapacity)} is ${formatNumber(ratePerS, 4)}/s`,
  );
  const shape = Object.entries(replicas).map(([task, count]) => `${task} ${count}`);
  const bound = `bound by ${station} with replicas ${shape.join(", ")}`;
  return `shares of capacity: ${rates.join(", ")}; capacity ${formatNumber(perS, 4)}/s, ${bound}`;
}

function percent(share: number): string {
  return `${formatNumber(100 * share, 4)}%`;
}

/** Longer lists are no choice any more. */
const MOST_LEVELS = 60;

interface Filter {
  /** First letter of its part of a key. */
  readonly letter: "s" | "l";
  readonly axis: SweepAxis;
}

/** A filter for the scheduler and one for the load, where either varies. */
export function filtersOf(document: Swept): readonly Filter[] {
  const axes = sweepAxes(document).filter(({ levels }) => levels.length <= MOST_LEVELS);
  const scheduler = schedulerAxis(axes);
  const load = loadAxis(axes) ?? axes.find(({ kind }) => kind === "load");
  return [
    ...(scheduler === undefined ? [] : [{ letter: "s" as const, axis: scheduler }]),
    ...(load === undefined ? [] : [{ letter: "l" as const, axis: load }]),
  ];
}

/** "s0 l2": the number of its level in each filter; of a filter whose level it lacks, nothing. */
export function filterKey(
  filters: readonly Filter[],
  parameters: ConfigurationResult["parameters"],
): string {
  return filters
    .flatMap(({ letter, axis }) => {
      const key = levelKey(parameters[axis.path]);
      const level = axis.levels.findIndex((one) => levelKey(one) === key);
      return level < 0 ? [] : [`${letter}${level}`];
    })
    .join(" ");
}

export function filterChoices({ axis }: Filter): {
  readonly name: string;
  readonly levels: readonly string[];
} {
  return { name: axis.name, levels: axis.levels.map((one) => levelText(axis, one)) };
}
