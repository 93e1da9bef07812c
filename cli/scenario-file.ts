/** Reads a scenario file with the command line's overrides. */
import { Fault, requireWhole } from "../core/fault.ts";
import { parseSetOption } from "../core/scenario/parse.ts";
import { type Overrides, type Scenario, scenario } from "../library/index.ts";

export interface ScenarioArguments extends PrecisionArguments {
  readonly scenario: string;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly replications?: number;
}

/** The `file` of an issue that comes from `--set`. */
export const NAMED = { overridesAs: "--set" } as const;

/** Rejects with Fault("not-found") for a missing file, Fault("invalid-input") with all its issues. */
export async function loadScenario(
  args: ScenarioArguments,
  { requireTimes = true, overrides = {} }: { requireTimes?: boolean; overrides?: Overrides } = {},
): Promise<Scenario> {
  const all = { ...overrides, ...assignedBy(args) };
  return scenario(args.scenario, all, { requireTimes, ...NAMED });
}

/** Scenario values by path, as the options give them. */
export function assignedBy(args: Omit<ScenarioArguments, "scenario">): Overrides {
  const { set, seed, replications } = args;
  return {
    ...Object.fromEntries(set.map(parseSetOption)),
    ...(seed === undefined ? {} : { "run.seed": seed }),
    ...(replications === undefined ? {} : { "run.replications": replications }),
    ...precisionOverrides(args),
  };
}

/** `--inputs` of simulations. Other commands have an option of this name, for what models are sent. */
export function doubtOverrides({ inputs }: { readonly inputs?: string }): Overrides {
  return inputs === undefined ? {} : { "run.inputs": inputs };
}

interface PrecisionArguments {
  readonly until?: string;
  readonly untilMetrics?: string;
  readonly maxReplications?: number;
  readonly compare?: string;
}

/** A share, as 2% or 0.02. */
const SHARE = /^\s*(\d+\.?\d*|\.\d+)\s*%?\s*$/;
const SHARE_HINT = (option: string): string => `for example \`${option} 2%\` or \`${option} 0.02\``;

/** The share that `--margin` gives; undefined without it. Throws Fault("usage") for any other text. */
export function marginOf({ margin }: { readonly margin?: string }): number | undefined {
  if (margin === undefined) return undefined;
  const share = Number.parseFloat(margin) / (margin.includes("%") ? 100 : 1);
  if (SHARE.test(margin) && share < 1) return share;
  throw new Fault(
    "usage",
    `--margin ${margin}: expected a share of the best mean, from 0 to below 100%`,
    { hint: SHARE_HINT("--margin") },
  );
}

/** Throws Fault("usage") for a bound on nothing. */
function precisionOverrides(args: PrecisionArguments): Overrides {
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

/** Words with commas between them. */
export function listed(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}

/** Options by name that count something, each from 1. Throws Fault("usage"). */
export function requireCounts(given: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(given)) {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (value !== undefined)
      requireWhole(`--${option} must be`, value, [1, Number.POSITIVE_INFINITY]);
  }
}

/** Throws Fault("usage"). */
export function refuseEmpty(out: string | undefined): void {
  if (out?.trim() === "") throw new Fault("usage", "--out is empty", { hint: "name a folder" });
}
