/** Runs of small deployments, and whether their logs replay. */

import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "./deploy/measured-run.ts";
import { NO_INPUTS } from "./deployment.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";

export const SEED = "7/0";

export function run(
  deployment: Deployment,
  document: ScenarioDocument,
  more: Partial<Parameters<typeof measuredRun>[1]> = {},
): Promise<MeasuredRun> {
  return measuredRun(deployment, {
    document,
    inputs: NO_INPUTS,
    seed: SEED,
    contents: () => [payloadRequest(new Uint8Array(100))],
    ...more,
  });
}

/** Where a fresh dispatcher decides otherwise than the log says; null: nowhere. */
export function divergence(document: ScenarioDocument, log: string): unknown {
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler(document.scheduler, system, SEED);
  return replayLog(system, scheduler, RunLog.parse(log)).divergence;
}
