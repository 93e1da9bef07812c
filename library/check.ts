/** `check`: everything that can be wrong with a scenario, without a run of it. */
import { goalNotes } from "../core/input-notes.ts";
import { unusedMachines } from "../core/inventory/read-inventory.ts";
import { continuousPaths } from "../core/scenario/axes.ts";
import { haveTimes } from "../core/scenario/check-models.ts";
import { checkedSweep, expandValidation } from "../core/scenario/sweep.ts";
import { checkOwn, configurationsOf } from "./own-scheduler.ts";
import { inventoryFor, type Scenario, schedulerChecks } from "./scenario.ts";

export interface Checked {
  /** Counts the configurations of the sweep, or the points that were checked. */
  readonly configurations: number;
  /** Whether the sweep has a range without a step, of which some points were looked at. */
  readonly isSampled: boolean;
  /** A sentence for each goal that cannot be kept, and each machine of the inventory that nothing runs on. */
  readonly notes: readonly string[];
  /** Random runs by scheduler file of one's own. */
  readonly plays: Readonly<Record<string, number>>;
}

const LOOKED_AT = { method: "random", count: 100 } as const;

/**
 * Checks every configuration of the sweep, plays schedulers of one's own in random runs, and looks for a machine of
 * the inventory `on` for every node. Throws Fault("invalid-input") with all issues.
 */
export async function check(
  loaded: Scenario,
  options: { readonly on?: string | undefined } = {},
): Promise<Checked> {
  const checks = schedulerChecks(loaded.own);
  const { document } = loaded;
  const isSampled = continuousPaths(document.sweep).length > 0;
  const sample = isSampled ? LOOKED_AT : undefined;
  const sweep = checkedSweep(loaded, { ...checks, allowLarge: true, sample });
  let notes = haveTimes(document, loaded.profiles) ? goalNotes(document, loaded) : [];
  if (options.on !== undefined) {
    const real = expandValidation(loaded, checks);
    const documents = [document, ...real.map((one) => one.document)];
    notes = [...notes, ...unusedMachines(inventoryFor(options.on, documents), documents)];
  }
  const plays = Object.fromEntries(checkOwn(loaded, configurationsOf(sweep)));
  return { configurations: sweep.count, isSampled, notes, plays };
}
