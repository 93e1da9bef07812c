/** The map: multiple comparisons find the arms that serve most requests within their goals, in each cell. */
import { compareGroup, halfWidth95, pairedDifference } from "../../core/compare.ts";
import type { ConfigurationResult, Estimate, MetricName } from "../../core/results.ts";
import { estimate } from "../../core/statistics/estimate.ts";
import type { Arm, Cell, FieldScenario } from "./field.ts";

/** Differences up to this share of the best mean are ties. */
export const MARGIN = 0.01;

export interface Member {
  readonly arm: Arm;
  readonly value: Estimate;
  /** Not shown to be worse than another by more than the margin. */
  readonly isBest: boolean;
  readonly result: ConfigurationResult;
  readonly samples: readonly number[];
}

export interface CellResult {
  readonly scenario: FieldScenario;
  readonly cell: Cell;
  /** In the order of the arms: the simplest first. */
  readonly members: readonly Member[];
}

export type Score = (result: ConfigurationResult) => readonly number[];

const samplesOf = (result: ConfigurationResult, metric: MetricName): readonly number[] =>
  result.samples?.[metric] ?? [];

export const attained: Score = (result) => samplesOf(result, "sloAttainmentRatio");

/** Requests that are in time and right, as if lateness and accuracy had nothing to do with each other. */
export const attainedAndRight: Score = (result) => {
  const accuracy = samplesOf(result, "accuracyMean");
  return attained(result).map((ratio, i) => (ratio === 0 ? 0 : ratio * accuracy[i]));
};

/** `configurations` are in the order of the scenario's sweep. */
export function judgeCells(
  scenario: FieldScenario,
  configurations: readonly ConfigurationResult[],
  score: Score = attained,
): readonly CellResult[] {
  const { arms, cells } = scenario;
  return cells.map((cell, i) => {
    const results = configurations.slice(i * arms.length, (i + 1) * arms.length);
    const scored = results.map((result, a) => {
      const samples = score(result);
      const value = estimate(samples);
      // Compared by number: two arms may have configurations of one name.
      const compared = { sloAttainmentRatio: samples };
      return { ...result, id: `${a}`, samples: compared, metrics: { sloAttainmentRatio: value } };
    });
    const comparison = compareGroup(scored, ["scheduler"], "sloAttainmentRatio", MARGIN);
    const members = arms.map((arm, a): Member => {
      const verdict = comparison?.members[a].verdict;
      const { metrics, samples } = scored[a];
      return {
        ...{ arm, value: metrics.sloAttainmentRatio, isBest: verdict !== "worse" },
        ...{ result: results[a], samples: samples.sloAttainmentRatio },
      };
    });
    return { scenario, cell, members };
  });
}

/** One arm over all cells that it runs in. */
export interface Standing {
  readonly arm: Arm;
  readonly cells: number;
  /** Cells in which it is among the best. */
  readonly best: number;
  /** Mean distance to the highest mean of the cell. */
  readonly behind: number;
  /** The mean cost per hour as a share of the cost of all devices. */
  readonly costShare: number;
}

export function standings(results: readonly CellResult[]): readonly Standing[] {
  const names = [...new Set(results.flatMap(({ members }) => members.map(({ arm }) => arm.name)))];
  const found = names.map((name): Standing => {
    const own = results.flatMap(({ members }) => {
      const member = members.find(({ arm }) => arm.name === name);
      if (member === undefined) return [];
      const most = Math.max(...members.map(({ value }) => value.mean));
      const full = Math.max(...members.map(({ result }) => costOf(result)));
      return [{ member, behind: most - member.value.mean, share: costOf(member.result) / full }];
    });
    const mean = (of: (one: (typeof own)[number]) => number): number =>
      own.reduce((sum, one) => sum + of(one), 0) / own.length;
    return {
      arm: own[0].member.arm,
      cells: own.length,
      best: own.filter(({ member }) => member.isBest).length,
      behind: mean(({ behind }) => behind),
      costShare: mean(({ share }) => share),
    };
  });
  return found.sort((a, b) => b.best / b.cells - a.best / a.cells || a.behind - b.behind);
}

const costOf = ({ metrics }: ConfigurationResult): number => metrics.costPerHour?.mean ?? 0;

/** Where an arm loses most to another: the cell, and the paired difference with its own 95% interval. */
export interface Loss {
  readonly result: CellResult;
  readonly difference: Estimate;
}

/** Null where it is nowhere shown to lose by more than the margin. */
export function worstLoss(
  results: readonly CellResult[],
  name: string,
  against: string,
): Loss | null {
  const losses = results.flatMap((result): Loss[] => {
    const [own, other] = [name, against].map((one) =>
      result.members.find(({ arm }) => arm.name === one),
    );
    if (own === undefined || other === undefined) return [];
    const difference = pairedDifference(own.samples, other.samples);
    if (difference === null) return [];
    const width = halfWidth95(difference);
    if (difference.mean + width >= -MARGIN * other.value.mean) return [];
    return [{ result, difference: { mean: difference.mean, halfWidth95: width } }];
  });
  return losses.reduce<Loss | null>(
    (worst, one) => (worst === null || one.difference.mean < worst.difference.mean ? one : worst),
    null,
  );
}
