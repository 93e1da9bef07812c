/** The filters of the page, scheduler and load: the levels that a configuration has, as a short key. */
import type { ConfigurationResult } from "../../core/results.ts";
import { levelKey, parameterText, type SweepAxis, type Swept, sweepAxes } from "./parameters.ts";

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
  const scheduler =
    axes.find(({ path }) => path === "scheduler") ?? axes.find(({ kind }) => kind === "scheduler");
  const loads = axes.filter(({ kind }) => kind === "load");
  const load = loads.find(({ isNumeric }) => isNumeric) ?? loads[0];
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

/** The choices of a filter: its name, and its levels in words. */
export function filterChoices({ axis }: Filter): {
  readonly name: string;
  readonly levels: readonly string[];
} {
  const unit = axis.unit === "" ? "" : axis.unit.startsWith("/") ? axis.unit : ` ${axis.unit}`;
  return { name: axis.name, levels: axis.levels.map((one) => `${parameterText(one)}${unit}`) };
}
