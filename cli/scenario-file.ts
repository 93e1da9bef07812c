/** Reads a scenario file with the command line's overrides. */
import { DEFAULT_MARGIN } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import type { CapacityOf } from "../core/scenario/checks.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import { readScenario, scenarioText } from "../library/scenario.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";

export interface ScenarioArguments extends PrecisionArguments {
  readonly scenario: string;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly replications?: number;
}

/** Rejects with Fault("not-found") for a missing file, Fault("invalid-input") with all its issues. */
export async function loadScenario(
  args: ScenarioArguments,
  options: { requireTimes: boolean },
): Promise<ReadyScenario> {
  return loadScenarioText(scenarioText(args.scenario), args, options);
}

/** The same for a scenario whose text is at hand; `args.scenario` names it in messages. */
export async function loadScenarioText(
  text: string,
  args: ScenarioArguments,
  {
    requireTimes,
    overrides: given = {},
    capacityOf,
  }: { requireTimes: boolean; overrides?: object; capacityOf?: CapacityOf },
): Promise<ReadyScenario> {
  const overrides: Record<string, unknown> = {
    ...given,
    ...Object.fromEntries(args.set.map(parseSetOption)),
  };
  if (args.seed !== undefined) overrides["run.seed"] = args.seed;
  if (args.replications !== undefined) overrides["run.replications"] = args.replications;
  Object.assign(overrides, precisionOverrides(args));
  return readScenario({ text, file: args.scenario, overrides, requireTimes, capacityOf });
}

interface PrecisionArguments {
  readonly until?: string;
  readonly untilMetrics?: string;
  readonly maxReplications?: number;
  readonly compare?: string;
  readonly margin?: string;
}

/** A share, as 2% or 0.02. */
const SHARE = /^\s*(\d+\.?\d*|\.\d+)\s*%?\s*$/;
const SHARE_HINT = (option: string): string => `for example \`${option} 2%\` or \`${option} 0.02\``;

/** The share that `--margin` gives; the default without it. Throws Fault("usage") for any other text. */
export function marginOf({ margin }: PrecisionArguments): number {
  if (margin === undefined) return DEFAULT_MARGIN;
  const share = Number.parseFloat(margin) / (margin.includes("%") ? 100 : 1);
  if (SHARE.test(margin) && share < 1) return share;
  throw new Fault(
    "usage",
    `--margin ${margin}: expected a share of the best mean, from 0 to below 100%`,
    {
      hint: SHARE_HINT("--margin"),
    },
  );
}

/** Scenario values by path, as from `--set`. Throws Fault("usage") for a bound on nothing. */
function precisionOverrides(args: PrecisionArguments): Record<string, unknown> {
  const { until, untilMetrics, maxReplications, compare } = args;
  const overrides: Record<string, unknown> = {};
  if (until !== undefined) {
    if (!SHARE.test(until)) {
      const hint = SHARE_HINT("--until");
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
  const { until, untilMetrics, maxReplications, compare, margin } = args;
  const given: readonly [string, string | number | undefined][] = [
    ["--until", until],
    ["--until-metrics", untilMetrics],
    ["--max-replications", maxReplications],
    ["--compare", compare],
    ["--margin", margin],
  ];
  return given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}

function listed(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}
