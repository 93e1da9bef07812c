/** `tandem check`: parse and expand, run nothing. */
import { styleText } from "node:util";
import { Fault, type Issue } from "../core/fault.ts";
import { unusedMachines } from "../core/inventory/read-inventory.ts";
import { continuousPaths } from "../core/scenario/axes.ts";
import { checkedSweep, expandValidation } from "../core/scenario/sweep.ts";
import { inventoryFor } from "../library/inventory-file.ts";
import { checkOwn, configurationsOf } from "../library/own-scheduler.ts";
import { schedulerChecks } from "../library/scenario.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

const LOOKED_AT = { method: "random", count: 100 } as const;

type CheckArguments = ScenarioArguments & { readonly json: boolean; readonly on?: string };

/** With --json the issues are the answer, so they are on stdout too. */
export async function check(args: CheckArguments): Promise<void> {
  try {
    await checkScenario(args);
  } catch (error) {
    if (args.json && error instanceof Fault) print({ valid: false, issues: issuesOf(error) });
    throw error;
  }
}

async function checkScenario(args: CheckArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const { name, sweep } = loaded.document;
  // A range without a step has no number of values: some of its points are looked at.
  const sample = continuousPaths(sweep).length > 0 ? LOOKED_AT : undefined;
  const sweeping = checkedSweep(loaded, {
    allowLarge: true,
    ...schedulerChecks(loaded.own),
    sample,
  });
  const { count: configurations } = sweeping;
  let notes: readonly string[] = [];
  if (args.on !== undefined) {
    const real = expandValidation(loaded, schedulerChecks(loaded.own));
    const documents = [loaded.document, ...real.map(({ document }) => document)];
    notes = unusedMachines(inventoryFor(args.on, documents), documents);
  }
  const plays = checkOwn(loaded, configurationsOf(sweeping));
  if (args.json) {
    const played = plays.size === 0 ? {} : { plays: Object.fromEntries(plays) };
    print({
      valid: true,
      issues: [],
      ...(args.on === undefined ? {} : { notes }),
      name,
      digest: loaded.digest,
      configurations,
      ...played,
    });
    return;
  }
  const some = sample === undefined ? `${configurations}` : `looked at ${configurations}`;
  const count = configurations === 1 ? "one configuration" : `${some} configurations`;
  const sound = styleText("green", "sound");
  process.stdout.write(`${args.scenario}: ${sound}; ${count}; digest ${loaded.digest}\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
  for (const [file, runs] of plays) {
    process.stdout.write(`${file}: keeps the contract in ${runs} random runs\n`);
  }
}

/** A file that is missing or too large has no lines to point at: its fault is the one issue. */
function issuesOf({ issues, message, hint }: Fault): readonly Issue[] {
  if (issues.length > 0) return issues;
  return [{ path: "", message, ...(hint === undefined ? {} : { hint }) }];
}

function print(document: object): void {
  process.stdout.write(`${JSON.stringify({ schema: "tandem/check@1", ...document })}\n`);
}
