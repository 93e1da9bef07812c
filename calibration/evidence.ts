/** Evidence for `tandem explain` besides run logs: client's latencies, costs of messages, inputs of the prediction. */

import { givenWarmupS } from "../core/arrivals/arrival-source.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { Judgement } from "./judge.ts";
import { type MessageCosts, messageCosts } from "./message-costs.ts";
import type { PredictionPlan } from "./predict.ts";
import type { RealRun } from "./real-runs.ts";

export const EVIDENCE_FILE = "evidence.json";

/** Where a run's log lies in a validation's folder; both count from 0. */
export function logFile(configuration: number, run: number): string {
  return `logs/${configuration + 1}-${run + 1}.jsonl`;
}

/** Times in ms are the scenario's; those in µs are the wall clock's. */
export interface RunEvidence extends MessageCosts {
  readonly replication: number;
  readonly latencyMeanMs: number;
  readonly latenessMeanMs: number;
  readonly queueWaitMeanMs: number;
}

export interface ConfigurationEvidence extends Configuration {
  readonly backend: PredictionPlan["backend"];
  readonly timeScale: number;
  readonly runs: readonly RunEvidence[];
  /** Absent in evidence of earlier versions. */
  readonly judgement?: Judgement;
}

export interface EvidenceDocument {
  readonly schema: "tandem/evidence@1";
  readonly inputs: SimulationInputs;
  readonly configurations: readonly ConfigurationEvidence[];
}

/** With one round trip at least of either kind. */
function known({ clientRoundTripUs, workerRoundTripUs, gateway }: MessageCosts): MessageCosts {
  const some = (us: number[]): number[] => (us.length === 0 ? [0] : us);
  return {
    clientRoundTripUs: some(clientRoundTripUs),
    workerRoundTripUs: some(workerRoundTripUs),
    gateway,
  };
}

export function runEvidence(
  { replication, summary, overheads, load }: RealRun,
  { workload }: ScenarioDocument,
  timeScale: number,
): RunEvidence {
  const warmupUs = givenWarmupS(workload) * 1e6;
  const counted = load.sentLateUs.filter(
    (_, i) => load.intendedUs[i] >= warmupUs && !Number.isNaN(load.latencyUs[i]),
  );
  const lateUs = counted.reduce((sum, us) => sum + us, 0) / Math.max(1, counted.length);
  return {
    replication,
    latencyMeanMs: summary.metrics.latencyMeanMs ?? Number.NaN,
    latenessMeanMs: lateUs / timeScale / 1000,
    queueWaitMeanMs: summary.metrics.queueWaitMeanMs ?? 0,
    ...known(messageCosts(overheads)),
  };
}
