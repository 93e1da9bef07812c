/** `tandem check`: parse and expand, run nothing. */
import { checkedSweep } from "../core/scenario/sweep.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export function check(args: ScenarioArguments & { readonly json: boolean }): void {
  const loaded = loadScenario(args, { requireTimes: false });
  const configurations = checkedSweep(loaded, { allowLarge: true, checkScheduler }).count;
  const { name } = loaded.document;
  if (args.json) {
    process.stdout.write(`${JSON.stringify({ name, digest: loaded.digest, configurations })}\n`);
    return;
  }
  const count = configurations === 1 ? "one configuration" : `${configurations} configurations`;
  process.stdout.write(`${args.scenario}: sound; ${count}; digest ${loaded.digest}\n`);
}
