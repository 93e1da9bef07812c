/** Options that say how precise results are to be and what is compared, as scenario values. */
import { Fault } from "../core/fault.ts";

export interface PrecisionArguments {
  readonly until?: string;
  readonly untilMetrics?: string;
  readonly maxReplications?: number;
  readonly compare?: string;
}

/** Scenario values by path, as from `--set`. Throws Fault("usage") for a bound on nothing. */
export function precisionOverrides(args: PrecisionArguments): Record<string, unknown> {
  const { until, untilMetrics, maxReplications, compare } = args;
  const overrides: Record<string, unknown> = {};
  if (until !== undefined) {
    if (!/^\s*[\d.]+\s*%?\s*$/.test(until)) {
      const hint = "for example `--until 2%` or `--until 0.02`";
      throw new Fault("usage", `--until ${until}: expected a share of the mean`, { hint });
    }
    overrides["run.until"] = {
      relativeHalfWidth: until.trim().endsWith("%") ? until.trim() : Number(until),
      ...(untilMetrics === undefined ? {} : { metrics: listed(untilMetrics) }),
      ...(maxReplications === undefined ? {} : { maxReplications }),
    };
  } else if (untilMetrics !== undefined || maxReplications !== undefined) {
    const option = untilMetrics === undefined ? "--max-replications" : "--until-metrics";
    throw new Fault("usage", `${option} needs --until`, { hint: "for example `--until 2%`" });
  }
  if (compare !== undefined) overrides["run.compare.over"] = listed(compare);
  return overrides;
}

/** The same options again, for the command that repeats a run. */
export function precisionWords(args: PrecisionArguments): readonly string[] {
  const { until, untilMetrics, maxReplications, compare } = args;
  const given: readonly [string, string | number | undefined][] = [
    ["--until", until],
    ["--until-metrics", untilMetrics],
    ["--max-replications", maxReplications],
    ["--compare", compare],
  ];
  return given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}

function listed(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}
