/**
 * Claims of papers and of projects' documentation, rebuilt. Each is data (`claims/*.yaml`): a scenario,
 * arms that differ in whole sections or single paths, and figures made of their samples.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { finished } from "../../engine/basics/iterables.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { estimate, meanOf, sumOf, wilson95 } from "../../engine/statistics/estimate.ts";
import { searchGroups, USUAL_SEARCH } from "../../planning/device-groups.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";

export type Sections = Readonly<Record<string, unknown>>;

/**
 * Arms of one axis. A list: an arm for each value of the path that is its key, by the value's name.
 * Sections: one arm of that name.
 */
type Axis = Readonly<Record<string, Sections | readonly (string | number)[]>>;

/** A figure in the file: exactly one of the kinds, arms by name. A range of loads ends in `/LOAD`. */
interface FigureEntry {
  readonly about: string;
  /** A metric, or `tasks.TASK.FIGURE`. */
  readonly of?: MetricName;
  readonly scale?: number;
  readonly unit?: string;
  readonly mean?: string;
  readonly percent?: string;
  /** The first arm by the second, or the distances of both to `from`. */
  readonly ratio?: readonly [string, string];
  readonly from?: number;
  /** The difference of two shares. */
  readonly points?: readonly [string, string];
  /** Requests outside the SLO, of the first arm by the second. */
  readonly misses?: readonly [string, string];
  /** Late answers, of all answers. */
  readonly late?: string;
  /** A pipeline's answers, of those of both. */
  readonly answers?: { readonly arm: string; readonly of: string; readonly beside: string };
  /** The largest load with such a share in time, by that of the best of others: `{best}` in `about`. */
  readonly capacity?: string;
  readonly over?: readonly string[];
  readonly share?: number;
  /** Thresholds of the claim, all of which are to hold; a figure without one is beside it. */
  readonly claimed?: readonly Threshold[];
}

/** In the figure's unit; `within`: a share of `value`. */
type Threshold =
  | { readonly value: number; readonly within: number }
  | { readonly between: readonly [number, number] }
  | { readonly above: number }
  | { readonly below: number }
  | { readonly atMost: number };

export interface Claim {
  /** Names the scenario and its folder: the preset that it is about, or what of a system. */
  readonly name: string;
  readonly claim: string;
  /** Paper and section. */
  readonly source: string;
  readonly rebuilt: string;
  readonly scenario: Sections;
  /** One axis, or several, of which every combination is an arm: `a/b`. */
  readonly arms: Axis | readonly Axis[];
  readonly figures: readonly FigureEntry[];
  /** Why our figures may differ from the claim's. */
  readonly difference: string;
}

export type Judgement = "holds" | "fails" | "cannot tell";

interface JudgedThreshold {
  /** As `3 ± 10%`, `above 1`. */
  readonly text: string;
  readonly judgement: Judgement;
}

export interface Figure {
  readonly about: string;
  readonly value: Estimate;
  /** Behind the number: "×", " s", " points". */
  readonly unit: string;
  /** None of a figure beside the claim. */
  readonly claimed: readonly JudgedThreshold[];
}

/** Every rebuilt claim, in the order of the page. */
export const CLAIMS: readonly Claim[] = ["resources", "batches", "answers", "scaling", "orders"]
  .map((file) =>
    readFileSync(fileURLToPath(new URL(`claims/${file}.yaml`, import.meta.url)), "utf8"),
  )
  .flatMap((text) =>
    Object.entries(parse(text, { merge: true }) as Record<string, Omit<Claim, "name">>).flatMap(
      ([name, claim]) => ("claim" in claim ? [{ name, ...claim }] : []),
    ),
  );

/** By name: sections and values in place of the scenario's. */
export function armsOf({ arms }: Pick<Claim, "arms">): Readonly<Record<string, Sections>> {
  const axes = Array.isArray(arms) ? (arms as readonly Axis[]) : [arms as Axis];
  const byAxis = axes.map((axis) =>
    Object.entries(axis).flatMap(([name, own]): (readonly [string, Sections])[] =>
      Array.isArray(own)
        ? own.map((value: string | number) => [`${value}`, { [name]: value }])
        : [[name, own as Sections]],
    ),
  );
  const all = byAxis.reduce((before, axis) =>
    before.flatMap(([name, sections]) =>
      axis.map(([next, more]) => [`${name}/${next}`, { ...sections, ...more }] as const),
    ),
  );
  return Object.fromEntries(all);
}

/** The scenario of a claim, swept over its arms. */
export function claimDocument(claim: Claim, replications: number): Sections {
  const { name, scenario, figures } = claim;
  const metrics = [...new Set(figures.flatMap(metricsOf))];
  const compare = metrics.length > 0 ? { compare: { metrics } } : {};
  const arms = Object.values(armsOf(claim));
  const usual: Sections = { scheduler: "fifo", ...scenario };
  // Every point of a sweep names the same paths.
  const paths = [...new Set(arms.flatMap((sections) => Object.keys(sections)))];
  const points = arms.map((own) =>
    expanded(Object.fromEntries(paths.map((path) => [path, own[path] ?? at(usual, path)]))),
  );
  const document: Sections = {
    name,
    cluster: { replicas: { serve: 1 } },
    ...expanded(usual),
    run: { seed: 1, replications, maxDrainS: 600, ...compare },
  };
  return { ...document, sweep: { points: points.map((point) => placed(document, point)) } };
}

/** A point with `groups`, so many devices at most, gets the cluster that AlpaServe's search finds for it. */
function placed(document: Sections, { groups, ...point }: Sections): Sections {
  if (groups === undefined) return point;
  const scenario = scenarioSchema.parse(
    Object.entries(point).reduce(
      (whole, [path, value]) => withPath(whole, path.split("."), value),
      document,
    ),
  );
  const search = { ...USUAL_SEARCH, largest: groups as number, replications: 1 };
  const [{ document: found }] = finished(
    searchGroups(scenario, { profiles: {}, traces: {} }, search),
  );
  return { ...point, cluster: found.cluster };
}

function withPath(sections: Sections, [key, ...rest]: readonly string[], value: unknown): Sections {
  const inner = rest.length === 0 ? value : withPath(sections[key] as Sections, rest, value);
  return { ...sections, [key]: inner };
}

function at(sections: Sections, path: string): unknown {
  return path.split(".").reduce<unknown>((found, key) => (found as Sections)[key], sections);
}

/** `linear: [slope, fixed, max]` of a model: a batch of b, max at most, takes slope × b + fixed ms. */
function expanded(sections: Sections): Sections {
  const replaced = JSON.stringify(sections, (_key, value) => {
    if (value?.linear === undefined) return value;
    const { linear, ...rest } = value as Sections & { readonly linear: readonly number[] };
    const [slopeMs, fixedMs, max] = linear;
    const batch = { marginal: slopeMs / (slopeMs + fixedMs), max };
    const service = { distribution: "deterministic", meanMs: slopeMs + fixedMs, batch };
    return { ...rest, service, residency: "always" };
  });
  return JSON.parse(replaced) as Sections;
}

function metricsOf({ of, misses, late, capacity }: FigureEntry): readonly MetricName[] {
  if (misses !== undefined || capacity !== undefined) return ["sloAttainmentRatio"];
  if (late !== undefined) return ["sloAttainmentRatio", "dropRatio"];
  return of === undefined || of.startsWith("tasks.") ? [] : [of];
}

/** The figures of a claim; `configurations` are those of its arms, in order. */
export function figuresOf(
  claim: Pick<Claim, "arms" | "figures">,
  configurations: readonly ConfigurationResult[],
): readonly Figure[] {
  const runs = new Runs(Object.keys(armsOf(claim)), configurations);
  return claim.figures.map((entry) => {
    const figure = runs.figure(entry);
    return { ...figure, claimed: (entry.claimed ?? []).map((one) => against(one, figure.value)) };
  });
}

/** Inside, where the whole interval of the figure is; outside, where none of it is. `above` and `below` leave their value out. */
function against(threshold: Threshold, { mean, halfWidth95 }: Estimate): JudgedThreshold {
  const [text, low, high] = boundsOf(threshold);
  const [least, most] = [mean - halfWidth95, mean + halfWidth95];
  const isOpen = "above" in threshold || "below" in threshold;
  const isInside = isOpen ? least > low && most < high : least >= low && most <= high;
  const isOutside = isOpen ? most <= low || least >= high : most < low || least > high;
  return { text, judgement: isInside ? "holds" : isOutside ? "fails" : "cannot tell" };
}

type Bounds = readonly [text: string, low: number, high: number];

function boundsOf(threshold: Threshold): Bounds {
  if ("value" in threshold) {
    const { value, within } = threshold;
    return [`${value} ± ${100 * within}%`, value * (1 - within), value * (1 + within)];
  }
  if ("between" in threshold) {
    const [low, high] = threshold.between;
    return [`${low} to ${high}`, low, high];
  }
  if ("above" in threshold) {
    return [`above ${threshold.above}`, threshold.above, Number.POSITIVE_INFINITY];
  }
  const [word, most] =
    "atMost" in threshold ? ["at most", threshold.atMost] : ["below", threshold.below];
  return [`${word} ${most}`, Number.NEGATIVE_INFINITY, most];
}

/** A claim holds where all of its thresholds do, and fails where one does. */
export function judgementOf(figures: readonly Figure[]): Judgement {
  const all = figures.flatMap(({ claimed }) => claimed.map(({ judgement }) => judgement));
  if (all.includes("fails")) return "fails";
  return all.includes("cannot tell") ? "cannot tell" : "holds";
}

class Runs {
  readonly #byArm: ReadonlyMap<string, ConfigurationResult>;

  constructor(arms: readonly string[], configurations: readonly ConfigurationResult[]) {
    this.#byArm = new Map(arms.map((arm, i) => [arm, configurations[i]]));
  }

  figure(entry: FigureEntry): Omit<Figure, "claimed"> {
    const { about, of = "sloAttainmentRatio", scale = 1, unit = "" } = entry;
    const { mean, percent, ratio, points, misses, late, answers, capacity } = entry;
    if (mean !== undefined) return { about, unit, value: this.#mean(mean, of, scale) };
    if (percent !== undefined) return { about, unit: "%", value: this.#mean(percent, of, 100) };
    if (late !== undefined) return { about, unit: "%", value: this.#late(late) };
    if (answers !== undefined) return { about, unit: "%", value: this.#answers(answers) };
    if (capacity !== undefined) return this.#capacity(entry, capacity);
    if (points !== undefined) {
      const value = this.#pairs(points, of, (a, b) => (a - b) * 100);
      return { about, unit: " points", value };
    }
    const value =
      misses === undefined
        ? this.#ratio(ratio as [string, string], of, entry.from)
        : this.#misses(misses);
    return { about, unit: "×", value };
  }

  #of(arm: string): ConfigurationResult {
    const found = this.#byArm.get(arm);
    if (found === undefined) throw new Error(`there is no arm ${arm}`);
    return found;
  }

  /** By replication; those of two arms are pairs that met the same requests. */
  #samples(arm: string, metric: MetricName): readonly number[] {
    const found = this.#of(arm).samples?.[metric];
    if (found === undefined) throw new Error(`${arm} has no samples of ${metric}`);
    return found;
  }

  #mean(arm: string, of: MetricName, scale: number): Estimate {
    const [, task, figure] = of.split(".");
    if (task === undefined) return estimate(this.#samples(arm, of).map((one) => one * scale));
    const { mean, halfWidth95 } = this.#of(arm).tasks[task][figure as MetricName];
    return { mean: mean * scale, halfWidth95: halfWidth95 * scale };
  }

  #ratio(arms: readonly [string, string], of: MetricName, from?: number): Estimate {
    if (from === undefined) return this.#pairs(arms, of, (a, b) => a / b);
    return this.#pairs(arms, of, (a, b) => (from - a) / (from - b));
  }

  #pairs(
    [arm, other]: readonly [string, string],
    metric: MetricName,
    of: (a: number, b: number) => number,
  ): Estimate {
    const others = this.#samples(other, metric);
    return estimate(this.#samples(arm, metric).map((value, i) => of(value, others[i])));
  }

  /** Half of one request counts where an arm misses none. */
  #misses(arms: readonly [string, string]): Estimate {
    const { requests, replications } = this.#of(arms[1]);
    const least = 0.5 / (requests / replications);
    const missed = (attained: number): number => Math.max(least, 1 - attained);
    return this.#pairs(arms, "sloAttainmentRatio", (a, b) => missed(a) / missed(b));
  }

  /** Where runs agree exactly, as a rule in none, the interval is Wilson's of all answers: few answers show no small share. */
  #late(arm: string): Estimate {
    const dropped = this.#samples(arm, "dropRatio");
    const late = this.#samples(arm, "sloAttainmentRatio").map(
      (attained, i) => (100 * (1 - dropped[i] - attained)) / (1 - dropped[i]),
    );
    const shares = late.map((share) => Math.max(0, Math.round(share * 1e9) / 1e9));
    const found = estimate(shares);
    if (new Set(shares).size > 1) return found;
    const answers = this.#of(arm).requests * (1 - meanOf(dropped));
    const { low, high } = wilson95(found.mean / 100, answers);
    return { ...found, halfWidth95: Math.max(found.mean - 100 * low, 100 * high - found.mean) };
  }

  #answers({ arm, of, beside }: NonNullable<FigureEntry["answers"]>): Estimate {
    const [own, other] = [of, beside].map((pipeline) => {
      const { requests, timeoutRatio } = this.#of(arm).pipelines?.[pipeline] ?? {};
      return {
        mean: requests.mean * (1 - timeoutRatio.mean),
        halfWidth95: requests.mean * timeoutRatio.halfWidth95,
      };
    });
    const all = own.mean + other.mean;
    // The delta method, with the worst dependence.
    const width = own.halfWidth95 * other.mean + other.halfWidth95 * own.mean;
    return { mean: (100 * own.mean) / all, halfWidth95: (100 * width) / all ** 2 };
  }

  #capacity({ about, over = [], share = 1 }: FigureEntry, arm: string): Omit<Figure, "claimed"> {
    const others = over.map((name) => ({ name, capacity: this.#capacityOf(name, share) }));
    const best = others.reduce((a, b) => (sumOf(b.capacity) > sumOf(a.capacity) ? b : a));
    const ratios = this.#capacityOf(arm, share).map((load, i) => load / best.capacity[i]);
    const name = best.name.slice(best.name.lastIndexOf("/") + 1);
    return { about: about.replace("{best}", name), unit: "×", value: estimate(ratios) };
  }

  /** By replication, the largest of an arm's loads at which so large a share is within the SLO. */
  #capacityOf(arm: string, share: number): readonly number[] {
    const loads = [...this.#byArm.keys()].filter((name) => name.startsWith(`${arm}/`));
    const [first] = loads;
    return this.#samples(first, "sloAttainmentRatio").map((_, replication) =>
      Math.max(
        0,
        ...loads.flatMap((name) =>
          this.#samples(name, "sloAttainmentRatio")[replication] >= share
            ? [Number(name.slice(arm.length + 1))]
            : [],
        ),
      ),
    );
  }
}
