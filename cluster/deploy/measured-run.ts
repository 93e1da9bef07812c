/**
 * One measured run on a real deployment: resets the gateway, drives it, and merges the results of both
 * sides. Latencies are the client's, from the intended arrival; queues, batches and utilisation are the
 * gateway's.
 */

import { arrivalSource, givenWarmupS, requestsOf } from "../../engine/arrivals/arrival-source.ts";
import { Fault } from "../../engine/basics/fault.ts";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { ANSWER_METRICS, type GanttBar, type MetricName } from "../../engine/metrics/figures.ts";
import { RunRecorder } from "../../engine/metrics/recorder.ts";
import { type RunSummary, summarize } from "../../engine/metrics/summary.ts";
import { RequestDraws } from "../../engine/requests/draws.ts";
import type { System } from "../../engine/system/system.ts";
import type { HealthSummary } from "../../results/validation.ts";
import { compileSystem, type MeasuredInputs } from "../../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { loadHealth, outcomeCounts } from "../load/load-report.ts";
import { runLoad } from "../load/run-load.ts";
import type { LoadResult } from "../load/specification.ts";
import type { RequestContents } from "../protocol/messages.ts";
import type { GatewayCosts } from "../run/run-costs.ts";
import type { RunReport, RunRequest } from "../run/specification.ts";
import { getJson, getText, NO_ACCESS, postJson } from "../security/client-access.ts";
import type { Deployment } from "./deployment.ts";

interface MeasuredRunOptions {
  /** With the deployment's shape; scheduler and workload may differ from run to run. */
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly seed: string;
  /** By the name of a pipeline; its request i carries entry i mod n. */
  readonly contents: (pipeline: string) => readonly RequestContents[];
  /** How long gateway or load generator may be silent. Default: a minute. */
  readonly silenceMs?: number;
  readonly onProgress?: (count: { readonly sent: number; readonly ended: number }) => void;
  /** Ends the load generator; the run then rejects. */
  readonly signal?: AbortSignal | undefined;
}

export interface MeasuredRun {
  /** In the scenario's time. */
  readonly summary: RunSummary;
  readonly health: HealthSummary;
  readonly gantt: readonly GanttBar[];
  /** Wall-clock µs per message after warm-up: round trips without residence, without service. */
  readonly overheads: {
    readonly clientRoundTripUs: readonly number[];
    readonly workerRoundTripUs: readonly number[];
    readonly costs: GatewayCosts;
  };
  /** The run log, JSON lines. */
  readonly log: string;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly load: LoadResult;
}

/** Metrics that only the gateway can see; all others are the client's. */
const GATEWAY_METRICS: readonly MetricName[] = [
  "queueWaitMeanMs",
  "utilizationRatio",
  "batchSizeMean",
  ...ANSWER_METRICS,
];
const IDLE_TIMEOUT_MS = 30_000;
const IDLE_POLL_MS = 20;

/** Rejects with Fault("cluster-failure") when the deployment refuses a step, or falls silent. */
export async function measuredRun(
  deployment: Deployment,
  options: MeasuredRunOptions,
): Promise<MeasuredRun> {
  const { document, inputs, seed } = options;
  const { timeScale } = deployment;
  const { workload } = document;
  const system = compileSystem(document, inputs);
  const traceUs = (workload.arrivals === "trace" && inputs.traces?.[workload.file]) || null;
  const window = windowOf(document, seed, traceUs);
  const { http, grpc } = deployment.gateway;
  const crashesBefore = deployment.crashes.length;
  await awaitIdle(http);
  await resetGateway(http, {
    seed,
    warmupUs: 0,
    ...schedulerOf(document),
    log: true,
    warmUp: true,
  });
  const load = await runLoad({
    target: {
      kind: "grpc",
      address: grpc,
      streamed: true,
      requests: system.pipelines.map(({ name }) => options.contents(name)),
      access: NO_ACCESS,
    },
    pipelines: system.pipelines.map(({ name, share }) => ({ name, share })),
    workload,
    traceUs,
    seed,
    timeScale,
    onProgress: options.onProgress,
    silenceMs: options.silenceMs,
    signal: options.signal,
    needs: [deployment.gatewayProcess],
    gone: endOf(deployment),
    warmUp: true,
    prepare: async () => void (await awaitIdle(http)),
    beforeStart: (startAtMonotonicNs) =>
      resetGateway(http, {
        seed,
        warmupUs: givenWarmupS(workload) * 1e6,
        startAtMonotonicNs,
        ...schedulerOf(document),
        log: true,
        triedAgain: workload.client !== undefined,
        ...window,
      }),
  });
  const report = await awaitIdle(http);
  const log = await getText(`${http}/run/log`);
  const crashes = deployment.crashes.slice(crashesBefore).map(({ name }) => `${name} died`);
  const health = loadHealth(load, report.eventLoopDelay.p99Ms);
  return {
    summary: merge(report.summary, clientSummary(system, document, seed, load, timeScale, window)),
    health: {
      ...health,
      healthy: health.healthy && crashes.length === 0,
      reasons: [...health.reasons, ...crashes],
    },
    gantt: report.gantt,
    overheads: {
      clientRoundTripUs: Array.from(
        load.clientRoundTripUs.filter(
          (us, i) => !Number.isNaN(us) && load.intendedUs[i] >= givenWarmupS(workload) * 1e6,
        ),
      ),
      workerRoundTripUs: report.workerRoundTripUs,
      costs: report.costs,
    },
    log,
    outcomes: outcomeCounts(load),
    load,
  };
}

/** Rejects when gateway or machines have ended for good. */
function endOf({ gatewayLost }: Deployment): Promise<never> {
  const end = gatewayLost.then(({ name }): never => {
    throw new Fault("cluster-failure", `the deployment is gone: ${name}`);
  });
  end.catch(() => undefined);
  return end;
}

/** A scheduler of the user is code, which no request carries: the deployment has it from its start. */
function schedulerOf({ scheduler }: ScenarioDocument): Pick<RunRequest, "scheduler"> {
  return typeof scheduler === "string" || scheduler.file === undefined ? { scheduler } : {};
}

type Window = Pick<RunRequest, "closeUs" | "closeAfterRequests">;

/** When the measured window ends: with the last arrival, as in the simulator. */
function windowOf(
  { workload }: ScenarioDocument,
  seed: string,
  traceUs: readonly number[] | null,
): Window {
  const source = arrivalSource(workload, seed, traceUs);
  if (source.closed) {
    const { horizonUs } = source;
    const requests = requestsOf(workload);
    return {
      ...(Number.isFinite(horizonUs) ? { closeUs: horizonUs } : {}),
      ...(requests === undefined ? {} : { closeAfterRequests: requests }),
    };
  }
  let lastUs = 0;
  while (source.nextUs !== Number.POSITIVE_INFINITY) {
    lastUs = source.nextUs;
    source.advance();
  }
  return lastUs > givenWarmupS(workload) * 1e6 ? { closeUs: lastUs } : {};
}

async function resetGateway(http: string, request: RunRequest): Promise<void> {
  const { status, value } = await postJson(`${http}/run`, request);
  if (status === 200) return;
  throw new Fault("cluster-failure", `the gateway did not start a run: ${String(value.error)}`);
}

async function awaitIdle(http: string): Promise<RunReport> {
  const giveUpAt = performance.now() + IDLE_TIMEOUT_MS;
  for (;;) {
    const { value } = await getJson(`${http}/run`);
    const report = value as unknown as RunReport;
    if (report.idle) return report;
    if (performance.now() > giveUpAt) {
      throw new Fault("cluster-failure", `the gateway still holds ${report.inSystem} requests`);
    }
    await new Promise((resolve) => setTimeout(resolve, IDLE_POLL_MS));
  }
}

/** The client's view through the same recorder, so that a metric is one formula everywhere. */
function clientSummary(
  system: System,
  { workload }: ScenarioDocument,
  seed: string,
  load: LoadResult,
  timeScale: number,
  window: Window,
): RunSummary {
  const recorder = new RunRecorder(system, givenWarmupS(workload) * 1e6, 0);
  const close = (nowUs: number): void => {
    const open = recorder.closedUs === Number.POSITIVE_INFINITY;
    if (open && nowUs > recorder.warmupUs) recorder.closeWindow(nowUs);
  };
  const draws = new RequestDraws(system, seed);
  const goalsUs = Float64Array.from(load.pipeline, (pipeline) => {
    const { sloUs, deadlineMs } = system.pipelines[pipeline];
    return deadlineMs === null ? sloUs : draws.goalUs(pipeline);
  });
  const ends = Uint32Array.from(load.endedUs.keys()).sort(
    (a, b) => load.endedUs[a] - load.endedUs[b],
  );
  let ended = 0;
  const endUntil = (untilUs: number): void => {
    for (; ended < ends.length && load.endedUs[ends[ended]] <= untilUs; ended++) {
      const i = ends[ended];
      const endedUs = load.endedUs[i];
      if (window.closeUs !== undefined && endedUs >= window.closeUs) close(window.closeUs);
      const latencyUs = Math.round(load.latencyUs[i] / timeScale);
      const outcome = OUTCOMES[load.outcome[i]];
      const dueUs = load.intendedUs[i];
      if (workload.client !== undefined) recorder.tried(dueUs, load.attempts[i]);
      const { ttftUs, tpotUs } = system.pipelines[load.pipeline[i]];
      const isLate = load.ttftUs[i] > ttftUs || load.tpotUs[i] > tpotUs;
      const goalUs = isLate ? -1 : goalsUs[i];
      recorder.ended(i, load.pipeline[i], outcome, dueUs, endedUs, latencyUs, goalUs);
    }
  };
  for (let i = 0; i < load.requests; i++) {
    endUntil(load.intendedUs[i]);
    recorder.arrived(load.intendedUs[i]);
    if (i + 1 === window.closeAfterRequests) close(load.intendedUs[i]);
  }
  endUntil(Number.POSITIVE_INFINITY);
  return summarize(recorder, { curve: true });
}

function merge(gateway: RunSummary, client: RunSummary): RunSummary {
  const known = GATEWAY_METRICS.filter((name) => gateway.metrics[name] !== undefined);
  const own = Object.fromEntries(known.map((name) => [name, gateway.metrics[name]]));
  // To the gateway each attempt is a request; a client's waits are those of all its attempts.
  const { attemptsPerRequest = 1 } = client.metrics;
  own.queueWaitMeanMs = (own.queueWaitMeanMs ?? 0) * attemptsPerRequest;
  return {
    ...client,
    metrics: { ...client.metrics, ...(own as RunSummary["metrics"]) },
    pipelines: withAccuracy(client.pipelines, gateway.pipelines),
    tasks: gateway.tasks,
    digest: gateway.digest,
  };
}

/** Only the gateway knows which variants ran. */
function withAccuracy(
  client: RunSummary["pipelines"],
  gateway: RunSummary["pipelines"],
): RunSummary["pipelines"] {
  return Object.fromEntries(
    Object.entries(client).map(([name, metrics]) => {
      const accuracyMean = gateway[name]?.accuracyMean;
      return [name, accuracyMean === undefined ? metrics : { ...metrics, accuracyMean }];
    }),
  );
}
