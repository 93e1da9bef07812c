/** Bodies of a validation's requests: real contents for real models, bytes for replayed ones. */
import { collectInputs } from "../calibration/collect-inputs.ts";
import { type ContentsSource, contentsFor } from "../calibration/contents.ts";
import { type KnownContents, matchContents } from "../calibration/match-contents.ts";
import { ModelWorker } from "../calibration/model-worker.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { unlessAborted } from "../cluster/processes/unless-aborted.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { countArrivals } from "../core/arrivals/count-arrivals.ts";
import { expectedRequests } from "../core/arrivals/expected-requests.ts";
import { compileSystem } from "../core/compile.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import { inputsOf } from "./scenario-file.ts";

/** What a run's requests carry, in order. */
export type Contents = (configuration: Configuration, seed: string) => readonly RequestContents[];

/** Real contents, each sent where the draws say that a request takes their branches. */
export async function realContents(
  args: ContentsSource,
  loaded: LoadedScenario,
  signal: AbortSignal,
): Promise<Contents> {
  const { document } = loaded;
  const workers = new Map<string, ModelWorker>();
  try {
    for (const [name, model] of Object.entries(document.models)) {
      if (model.implementation !== undefined)
        workers.set(name, await ModelWorker.start(name, model, inputsOf(loaded).folder, signal));
    }
    const byPipeline = await unlessAborted(signal, contentsFor(document, workers, args));
    const { ran } = await unlessAborted(signal, collectInputs(document, workers, byPipeline));
    const known: Record<string, readonly KnownContents[]> = {};
    for (const [name, own] of Object.entries(byPipeline)) {
      known[name] = own.map((contents, i) => ({ contents, ran: ran[name][i] }));
    }
    return ({ document: own }, seed) => {
      const system = compileSystem(own, loaded);
      return matchContents(system, seed, requestsOf(own.workload, loaded, seed), known);
    };
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
  }
}

/** As many as a run sends; where its answers set the pace, more than it may be. */
function requestsOf(workload: WorkloadDocument, { traces }: LoadedScenario, seed: string): number {
  const traceUs = workload.arrivals === "trace" ? traces[workload.file] : null;
  const count = countArrivals(workload, seed, traceUs ?? null);
  return count ?? Math.ceil(1.5 * expectedRequests(workload)) + 100;
}

/** Replay workers read nothing, so a payload is bytes of the declared size. */
export function replayContents(document: ScenarioDocument): Contents {
  const sizes = Object.values(document.pipelines).flatMap((pipeline) =>
    Object.values(pipeline.tasks).map((task) => task.payloadBytes),
  );
  const payload = payloadRequest(new Uint8Array(Math.max(...sizes, 64)));
  return () => [payload];
}
