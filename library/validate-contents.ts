/** Contents of a validation's requests: inputs for real models, bytes for replayed ones. */
import { inputsByModel } from "../calibration/calibrate.ts";
import {
  type ContentsSource,
  collectInputs,
  contentsFor,
  type KnownContents,
  matchContents,
} from "../calibration/contents.ts";
import {
  type PaceBurst,
  paceMeter,
  paceTargets,
  profilePath,
} from "../calibration/measure-service.ts";
import type { MeasuringHosts, ModelWorker } from "../calibration/model-worker.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { countArrivals, expectedRequests } from "../core/arrivals/arrival-source.ts";
import { compileSystem } from "../core/compile.ts";
import type { ModelAtHand } from "../core/input-notes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import type { ScenarioDocument, WorkloadDocument } from "../core/scenario/schema.ts";
import type { Configuration } from "../core/scenario/sweep.ts";

/** The contents of a run's requests, in order. */
type Contents = (configuration: Configuration, seed: string) => readonly RequestContents[];

/**
 * The served side of a validation: contents of requests, the meter of the host's pace, and the models.
 */
export interface ServedSide {
  readonly contents: Contents;
  readonly pace: (() => Promise<PaceBurst>) | null;
  /** By the path of their profile. */
  readonly models: Readonly<Record<string, ModelAtHand>> | null;
}

/** Where models run beside the deployments, and one worker of each, which the caller stops. */
export interface ModelHosts {
  readonly hosts: MeasuringHosts;
  readonly workers: Map<string, ModelWorker>;
}

/**
 * Real contents, each sent where the draws say that a request takes their branches, and the models that
 * they went through.
 */
export async function realSide(
  args: ContentsSource,
  loaded: LoadedScenario,
  { hosts, workers }: ModelHosts,
  signal: AbortSignal,
): Promise<ServedSide> {
  const { document, profiles } = loaded;
  for (const [name, model] of Object.entries(document.models)) {
    if (model.implementation !== undefined)
      workers.set(name, await hosts.start(name, hosts.devicesOf(name)[0], signal));
  }
  const byPipeline = await unlessAborted(signal, contentsFor(document, workers, args));
  const collecting = collectInputs(document, workers, byPipeline);
  const collected = await unlessAborted(signal, collecting);
  const known: Record<string, readonly KnownContents[]> = {};
  for (const [name, own] of Object.entries(byPipeline)) {
    known[name] = own.map((contents, i) => ({ contents, ran: collected.ran[name][i] }));
  }
  const inputs = inputsByModel(document, collected);
  return {
    contents: ({ document: own }, seed) => {
      const system = compileSystem(own, loaded);
      return matchContents(system, seed, requestsOf(own.workload, loaded, seed), known);
    },
    pace: paceMeter(paceTargets(document, profiles, workers, inputs)),
    models: Object.fromEntries(
      [...workers].flatMap(([name, { loaded: model, place }]) => {
        const path = profilePath(document.models[name]);
        const { files, runtime, provider } = model.provenance;
        const shown = `${runtime}, ${provider}`;
        const atHand = { modelFiles: [...files], runtime: shown, host: place.host };
        return path === undefined ? [] : [[path, atHand]];
      }),
    ),
  };
}

/** The number of requests that a run sends; an upper bound for closed loops. */
function requestsOf(workload: WorkloadDocument, { traces }: LoadedScenario, seed: string): number {
  const traceUs = workload.arrivals === "trace" ? traces[workload.file] : null;
  const count = countArrivals(workload, seed, traceUs ?? null);
  return count ?? Math.ceil(1.5 * expectedRequests(workload)) + 100;
}

/** Replay workers read nothing, so a payload is bytes of the declared size. */
export function replaySide(document: ScenarioDocument): ServedSide {
  const sizes = Object.values(document.pipelines).flatMap((pipeline) =>
    Object.values(pipeline.tasks).map((task) => task.payloadBytes),
  );
  const payload = payloadRequest(new Uint8Array(Math.max(...sizes, 64)));
  return { contents: () => [payload], pace: null, models: null };
}
