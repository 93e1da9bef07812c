/** The warm-up as a number of seconds. */
import { Fault } from "./fault.ts";
import type { WorkloadDocument } from "./scenario/schema.ts";

/**
 * What the scenario gives. Throws Fault("invalid-input") for `auto`, which only a simulation can
 * find out: its configurations have a number in its place before they run.
 */
export function givenWarmupS({ warmupS }: WorkloadDocument): number {
  if (warmupS !== "auto") return warmupS;
  throw new Fault("invalid-input", "`workload.warmupS: auto` is for `tandem simulate` alone", {
    hint: "give seconds, such as those that its results name: `--set workload.warmupS=60`",
  });
}
