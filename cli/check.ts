/** `tandem check`: parse and expand, run nothing. */
import { continuousPaths } from "../core/scenario/axes.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

const LOOKED_AT = { method: "random", count: 100 } as const;

export async function check(args: ScenarioArguments & { readonly json: boolean }): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const { name, sweep } = loaded.document;
  // A range without a step has no number of values: some of its points are looked at.
  const sample = continuousPaths(sweep).length > 0 ? LOOKED_AT : undefined;
  const { count: configurations } = checkedSweep(loaded, {
    allowLarge: true,
    checkScheduler,
    sample,
  });
  if (args.json) {
    process.stdout.write(`${JSON.stringify({ name, digest: loaded.digest, configurations })}\n`);
    return;
  }
  const some = sample === undefined ? `${configurations}` : `looked at ${configurations}`;
  const count = configurations === 1 ? "one configuration" : `${some} configurations`;
  process.stdout.write(`${args.scenario}: sound; ${count}; digest ${loaded.digest}\n`);
}
