/** `tandem gather`: the shards of a sweep as the results of `tandem simulate --out`, to the byte. */
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { plural } from "../reports/tables/format.ts";
import { type ShardFailure, ShardFolder } from "../sweep/shards/shard-folder.ts";
import { listText } from "../sweep/shards/shard-plan.ts";
import { askedSweep } from "./shard.ts";
import { simulate } from "./simulate.ts";
import { prepareSweep, type SimulateArguments } from "./sweep-preparation.ts";

export interface GatherArguments {
  readonly directory: string;
  readonly json: boolean;
}

/** Rejects with Fault("unavailable") while shards are missing. */
export async function gather({ directory, json }: GatherArguments): Promise<void> {
  const folder = new ShardFolder(directory);
  const manifest = folder.manifest();
  const missing = folder.missing(manifest);
  if (missing.length > 0) throw missingShards(folder, missing, manifest.starts.length - 1);
  // The scenario's path counts from there.
  process.chdir(join(folder.directory, manifest.folder));
  const known = manifest.arguments as unknown as SimulateArguments;
  const args = { ...known, json, out: folder.directory, workers: 1 };
  // Throws if the scenario has changed since, or this build gives other results.
  const prepared = await prepareSweep(args, (key) => folder.knows(key));
  folder.agree(askedSweep(args, prepared, manifest.starts.length - 1));
  folder.gather(manifest);
  folder.removeAttempts();
  await simulate(args);
}

const MOST_SHOWN = 5;

/** Failures that come again are the user's to put right; the rest may end by another try. */
export function missingShards(
  folder: ShardFolder,
  missing: readonly number[],
  shards: number,
): Fault {
  const failures = folder.failures();
  const lasting = failures.filter(({ exit }) => exit >= 1 && exit <= 3);
  const shown = [...lasting, ...failures.filter((one) => !lasting.includes(one))];
  const issues = shown.slice(0, MOST_SHOWN).map((failure) => ({
    path: `shard ${failure.shard}`,
    message: failureText(failure),
  }));
  const listed = listText(missing.slice(0, 100)) + (missing.length > 100 ? ", ..." : "");
  return new Fault(
    lasting.length > 0 ? "invalid-input" : "unavailable",
    `${missing.length} of ${plural(shards, "shard")} missing: ${listed}`,
    { issues, hint: "the command that started the sweep, given again, runs only these" },
  );
}

export function failureText({ exit, message, hint, host }: ShardFailure): string {
  return `exit code ${exit} on ${host}: ${message}${hint === undefined ? "" : ` (${hint})`}`;
}
