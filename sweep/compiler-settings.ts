/**
 * V8's flags for long runs. Its optimising compiler inlines short callees until the bytecode of a
 * function with its callees reaches a limit, which bounds compile time in programs with much code.
 * A simulation spends its time in a few functions. Their callees must not be compiled long before
 * them: the code inlined by then counts again for the caller.
 */
import { setFlagsFromString } from "node:v8";
import { knownRequests } from "../core/arrivals/extent.ts";
import { interruptBudget, MORE_INLINING } from "../core/hot-path.ts";
import type { WorkloadDocument } from "../core/scenario/schema.ts";

interface Settings {
  /** So many requests, in one run or in several, repay them. */
  readonly from: number;
  readonly options: readonly string[];
}

/**
 * In order. V8 takes stored code only with the settings that it was made under, so short programs
 * change none.
 */
const SETTINGS: readonly Settings[] = [
  { from: 100_000, options: interruptBudget(500_000, process.versions.node) },
  { from: 1_000_000, options: MORE_INLINING },
];

/** Requests of all runs so far. */
let requests = 0;
let reached = 0;

/** Call it before each run: it sets the flags that pay from then on, in the whole process. */
export function prepareCompiler(workload: WorkloadDocument): void {
  if (reached === SETTINGS.length) return;
  requests += knownRequests(workload) ?? 0;
  for (; requests >= (SETTINGS[reached]?.from ?? Number.POSITIVE_INFINITY); reached++) {
    for (const option of SETTINGS[reached].options) setFlagsFromString(option);
  }
}
