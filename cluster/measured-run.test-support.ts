/** Runs of small deployments, and whether their logs replay. */

import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "./deploy/measured-run.ts";
import type { DeploymentOptions } from "./deploy/options.ts";
import { NO_INPUTS, withDeployment } from "./deployment.test-support.ts";
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

/** A measured run of a deployment of its own, replayed unless `more` says otherwise. */
export function ownRun(
  document: ScenarioDocument,
  more: Partial<DeploymentOptions> = {},
): Promise<MeasuredRun> {
  return withDeployment({ document, backend: "replay", ...more }, (deployment) =>
    run(deployment, document),
  );
}

/** Where a fresh dispatcher decides otherwise than the log says; null: nowhere. */
export function divergence(document: ScenarioDocument, log: string): unknown {
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler(document.scheduler, system, SEED);
  return replayLog(system, scheduler, RunLog.parse(log)).divergence;
}
