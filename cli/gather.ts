/** `tandem gather`: the shards of a sweep as the results of `tandem simulate --out`, to the byte. */
import { shards } from "../library/index.ts";
import { printResults, sweepAnd } from "./simulate.ts";

export interface GatherArguments {
  readonly directory: string;
  readonly json: boolean;
}

/** Rejects with Fault("unavailable") while shards are missing. */
export async function gather({ directory, json }: GatherArguments): Promise<void> {
  const { loaded, options } = await shards.gather(directory);
  await sweepAnd(loaded, options, (swept) => printResults(swept, { json, out: directory }));
}
