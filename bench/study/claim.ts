/**
 * A claim of a paper or of a project's documentation, rebuilt: one scenario whose configurations (arms)
 * differ in whole sections, and figures made of their samples.
 */
import type { ConfigurationResult, Estimate, MetricName } from "../../core/results.ts";
import { estimate } from "../../core/statistics/estimate.ts";
import type { Sections } from "./field.ts";

export interface Figure {
  readonly about: string;
  readonly value: Estimate;
  /** Behind the number: "×", " s", " points". */
  readonly unit: string;
}

export interface Claim {
  /** Names the scenario and its folder: the preset that it is about, or what of a system. */
  readonly name: string;
  readonly claim: string;
  /** Paper and section. */
  readonly source: string;
  readonly rebuilt: string;
  readonly base: Sections;
  /** By name: sections in place of the base's. */
  readonly arms: Readonly<Record<string, Sections>>;
  readonly metrics: readonly MetricName[];
  figures(runs: Runs): readonly Figure[];
  /** Why our figure differs from the claim, or that it does not. */
  readonly difference: string;
}

/** The scenario of a claim. */
export function claimDocument(claim: Claim, replications: number): Sections {
  const { name, base, arms, metrics } = claim;
  return {
    ...{ name, cluster: { replicas: { serve: 1 } }, scheduler: "fifo", ...base },
    run: { seed: 1, replications, maxDrainS: 600, compare: { metrics } },
    sweep: { points: Object.values(arms).map((sections) => withEvery(sections, base, arms)) },
  };
}

/** Every point of a sweep names the same paths. */
function withEvery(own: Sections, base: Sections, arms: Claim["arms"]): Sections {
  const paths = [...new Set(Object.values(arms).flatMap((sections) => Object.keys(sections)))];
  const usual = { scheduler: "fifo", ...base } as Sections;
  return Object.fromEntries(paths.map((path) => [path, own[path] ?? usual[path]]));
}

/** The results of a claim's arms. */
export class Runs {
  readonly #byArm: ReadonlyMap<string, ConfigurationResult>;

  constructor(arms: Claim["arms"], configurations: readonly ConfigurationResult[]) {
    this.#byArm = new Map(Object.keys(arms).map((arm, i) => [arm, configurations[i]]));
  }

  of(arm: string): ConfigurationResult {
    const found = this.#byArm.get(arm);
    if (found === undefined) throw new Error(`there is no arm ${arm}`);
    return found;
  }

  /** By replication; those of two arms are pairs that met the same requests. */
  samples(arm: string, metric: MetricName): readonly number[] {
    const found = this.of(arm).samples?.[metric];
    if (found === undefined) throw new Error(`${arm} has no samples of ${metric}`);
    return found;
  }

  mean(about: string, unit: string, arm: string, metric: MetricName, scale = 1): Figure {
    return { about, unit, value: estimate(this.samples(arm, metric).map((one) => one * scale)) };
  }

  /** The ratio of one arm's values to another's. */
  ratio(about: string, arm: string, other: string, metric: MetricName): Figure {
    return { about, unit: "×", value: this.#pairs(arm, other, metric, (a, b) => a / b) };
  }

  percent(about: string, arm: string, metric: MetricName): Figure {
    return this.mean(about, "%", arm, metric, 100);
  }

  /** The difference of two shares. */
  points(about: string, arm: string, other: string, metric: MetricName): Figure {
    const value = this.#pairs(arm, other, metric, (a, b) => (a - b) * 100);
    return { about, unit: " points", value };
  }

  /** Requests outside the goal, of one arm over another's; the half of one request where there is none. */
  missRatio(about: string, arm: string, other: string): Figure {
    const least = 0.5 / (this.of(arm).requests / this.of(arm).replications);
    const misses = (attained: number): number => Math.max(least, 1 - attained);
    const value = this.#pairs(arm, other, "sloAttainmentRatio", (a, b) => misses(a) / misses(b));
    return { about, unit: "×", value };
  }

  /** Answered requests of one pipeline. */
  answers(arm: string, pipeline: string): Estimate {
    const { requests, timeoutRatio } = this.of(arm).pipelines?.[pipeline] ?? {};
    return {
      mean: requests.mean * (1 - timeoutRatio.mean),
      halfWidth95: requests.mean * timeoutRatio.halfWidth95,
    };
  }

  /** The largest of the loads, ascending, at which so large a share is within the goal, by replication. */
  capacity(arms: readonly (readonly [arm: string, load: number])[], share: number): number[] {
    const [[first]] = arms;
    return this.samples(first, "sloAttainmentRatio").map((_, replication) =>
      Math.max(
        0,
        ...arms.flatMap(([arm, load]) =>
          this.samples(arm, "sloAttainmentRatio")[replication] >= share ? [load] : [],
        ),
      ),
    );
  }

  #pairs(
    arm: string,
    other: string,
    metric: MetricName,
    of: (a: number, b: number) => number,
  ): Estimate {
    const others = this.samples(other, metric);
    return estimate(this.samples(arm, metric).map((value, i) => of(value, others[i])));
  }
}

export const ratioOf = (a: readonly number[], b: readonly number[]): Estimate =>
  estimate(a.map((value, i) => value / b[i]));

/** An arm for each preset. */
export const schedulers = (...presets: readonly string[]): Claim["arms"] =>
  Object.fromEntries(presets.map((scheduler) => [scheduler, { scheduler }]));

/** A model whose time is always the same. */
export const fixed = (meanMs: number, more: Sections = {}): Sections => ({
  service: { distribution: "deterministic", meanMs, batch: { marginal: 1, max: 1 } },
  ...more,
});

/** A batch of b takes slope × b + fixed ms. */
export const linear = (slopeMs: number, fixedMs: number, max: number): Sections => ({
  service: {
    distribution: "deterministic",
    meanMs: slopeMs + fixedMs,
    batch: { marginal: slopeMs / (slopeMs + fixedMs), max },
  },
  residency: "always",
});
