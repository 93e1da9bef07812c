/**
 * What long runs ask of V8. Its optimising compiler inlines what is called, if that is short, until
 * the bytecode of a function and all that it calls reaches a limit, which keeps compiling short in
 * programs with much code. A simulation spends its time in a few functions.
 */
import { setFlagsFromString } from "node:v8";
import { requestsOf } from "../core/arrivals/extent.ts";
import type { WorkloadDocument } from "../core/scenario/schema.ts";

/**
 * Runs from here on repay longer compiling. V8 takes stored code only with the settings that it was
 * made under, so shorter runs change none.
 */
const LONG_RUN = 100_000;
/** Bytes of bytecode, of one function and of all in one; V8's own limits are 460 and 920. */
const LONGEST_INLINED = 800;
const MOST_INLINED = 4000;

let isSet = false;

/** Lets the compiler inline more from now on, in this whole process, if the workload is a long one. */
export function prepareCompiler(workload: WorkloadDocument): void {
  if (isSet || expectedRequests(workload) < LONG_RUN) return;
  isSet = true;
  setFlagsFromString(`--max-inlined-bytecode-size=${LONGEST_INLINED}`);
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${MOST_INLINED}`);
}

/** 0 where a workload does not tell. */
function expectedRequests(workload: WorkloadDocument): number {
  const bySpan = "ratePerS" in workload ? workload.ratePerS * (spanOf(workload) ?? 0) : 0;
  return requestsOf(workload) ?? bySpan;
}

function spanOf(workload: WorkloadDocument): number | undefined {
  return "durationS" in workload ? workload.durationS : undefined;
}
