/** Contents of a validation's requests: inputs for real models, bytes for replayed ones. */
import { knownMeansUs, profilePath } from "../calibration/blocks.ts";
import { busyWorkers, inputsByModel } from "../calibration/busy-workers.ts";
import {
  type ContentsByPipeline,
  type ContentsSource,
  collectInputs,
  contentsCount,
  contentsFor,
  type KnownContents,
  matchContents,
  representative,
} from "../calibration/contents.ts";
import { lightRatePerS } from "../calibration/in-place.ts";
import { busiestTaskUs } from "../calibration/in-place-document.ts";
import type { BusyWorker, ServiceTarget } from "../calibration/measure-service.ts";
import type { MeasuringHosts, ModelWorker } from "../calibration/model-worker.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { countArrivals, expectedRequests } from "../engine/arrivals/arrival-source.ts";
import type { ModelAtHand } from "../results/input-notes.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { Configuration } from "../scenario/expand-sweep.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { ScenarioDocument, WorkloadDocument } from "../scenario/schema/scenario.ts";
import { inputsOf, type Scenario } from "./scenario.ts";

/** The contents of a run's requests, in order. */
type Contents = (configuration: Configuration, seed: string) => readonly RequestContents[];

/** Requests of the pipeline in place, under light load. */
export interface LightLoad {
  readonly contents: ContentsByPipeline;
  readonly ratePerS: number;
  /** A worker of each model, beside the pipeline. */
  readonly idle: readonly ServiceTarget[];
  /** Two that slow each other down, beside the pipeline; fewer where none can. */
  readonly busy: readonly BusyWorker[];
}

/** The served side of a validation: contents of requests, under load and between, and the models. */
export interface ServedSide {
  readonly contents: Contents;
  /** Null where times are replayed. */
  readonly light: LightLoad | null;
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
  loaded: Scenario,
  { hosts, workers }: ModelHosts,
  signal: AbortSignal,
): Promise<ServedSide> {
  const { document } = loaded;
  for (const [name, model] of Object.entries(document.models)) {
    if (model.implementation !== undefined)
      workers.set(name, await hosts.start(name, hosts.devicesOf(name)[0], signal));
  }
  const byPipeline = await unlessAborted(signal, contentsFor(document, workers, args));
  const collecting = collectInputs(document, workers, byPipeline);
  const walked = await unlessAborted(signal, collecting);
  const ratePerS = lightRatePerS(busiestTaskUs(document, knownMeansUs(document, inputsOf(loaded))));
  // The same contents as at calibration: other inputs take other times.
  const kept = representative(byPipeline, walked, contentsCount(ratePerS));
  const known: Record<string, readonly KnownContents[]> = {};
  for (const [name, own] of Object.entries(kept.contents)) {
    known[name] = own.map((contents, i) => ({ contents, ran: kept.collected.ran[name][i] }));
  }
  const models = Object.fromEntries(
    [...workers].flatMap(([name, { loaded: model, place }]) => {
      const path = profilePath(document.models[name]);
      const { files, runtime, provider } = model.provenance;
      const shown = `${runtime}, ${provider}`;
      const atHand = { modelFiles: [...files], runtime: shown, host: place.host };
      return path === undefined ? [] : [[path, atHand]];
    }),
  );
  const running = { workers, extra: workers, inputs: inputsByModel(document, kept.collected) };
  const busy = await unlessAborted(signal, busyWorkers(document, hosts, running, 2));
  const idle = [...running.inputs].flatMap(([model, inputs]) => {
    const worker = workers.get(model);
    return worker === undefined || inputs.length === 0 ? [] : [{ worker, batch: 1, inputs }];
  });
  return {
    contents: ({ document: own }, seed) => {
      const system = compileSystem(own, loaded);
      return matchContents(system, seed, requestsOf(own.workload, loaded, seed), known);
    },
    light: { contents: kept.contents, ratePerS, idle, busy },
    models,
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
  return { contents: () => [payload], light: null, models: null };
}
