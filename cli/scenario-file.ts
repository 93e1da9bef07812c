/** Reads a scenario file with the command line's overrides. */

import { Fault } from "../engine/basics/fault.ts";
import { type Overrides, type Scenario, scenario } from "../library/index.ts";
import type { Values } from "../library/option.ts";
import { parseSetOption } from "../scenario/parse.ts";
import type { OF_SCENARIO, SCENARIO } from "./options.ts";

export type ScenarioArguments = Values<typeof SCENARIO> & ScenarioValues;

type ScenarioValues = Partial<Values<typeof OF_SCENARIO>>;

/** The `file` of an issue that comes from `--set`. */
export const NAMED = { overridesAs: "--set" } as const;

/** Rejects with Fault("not-found") for a missing file, Fault("invalid-input") with all its issues. */
export async function loadScenario(
  args: ScenarioArguments,
  { requireTimes = true, overrides = {} }: { requireTimes?: boolean; overrides?: Overrides } = {},
): Promise<Scenario> {
  if (/\.[cm]?[jt]s$/.test(args.scenario)) {
    throw new Fault("usage", `${args.scenario} is code, and a scenario is YAML`, {
      hint: "a scenario names a scheduler of your own: `scheduler: { file: ./mine.mjs }`",
    });
  }
  const all = { ...overrides, ...assignedBy(args) };
  return scenario(args.scenario, all, { requireTimes, ...NAMED });
}

/** Scenario values by path, as the options give them. */
export function assignedBy(args: ScenarioValues): Overrides {
  const { set = [], seed, replications } = args;
  return {
    ...Object.fromEntries(set.map(parseSetOption)),
    ...(seed === undefined ? {} : { "run.seed": seed }),
    ...(replications === undefined ? {} : { "run.replications": replications }),
    ...precisionOverrides(args),
  };
}

/** `--inputs` of simulations. Other commands have an option of this name, for what models are sent. */
export function doubtOverrides({ inputs }: { readonly inputs?: string | undefined }): Overrides {
  return inputs === undefined ? {} : { "run.inputs": inputs };
}

function precisionOverrides(args: ScenarioValues): Overrides {
  const { until, untilMetrics, maxReplications, compare } = args;
  return {
    ...(until !== undefined && {
      "run.until": {
        relativeHalfWidth: until,
        ...(untilMetrics === undefined ? {} : { metrics: listed(untilMetrics) }),
        ...(maxReplications === undefined ? {} : { maxReplications }),
      },
    }),
    ...(compare !== undefined && { "run.compare.over": listed(compare) }),
  };
}

/** Words with commas between them. */
export function listed(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}
