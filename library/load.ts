/** `load`: a workload sent to any endpoint, measured from the client's side. */
import { drawnPrompts, evenPrompts } from "../cluster/load/drawn-prompts.ts";
import { type LoadReport, loadReport } from "../cluster/load/load-report.ts";
import { prepareTarget } from "../cluster/load/prepare-target.ts";
import { runLoad } from "../cluster/load/run-load.ts";
import { inDigits, LOAD_BOUNDS } from "../cluster/load/specification.ts";
import { type ClientAccess, gatewayClientAccess } from "../cluster/security/client-access.ts";
import { expectedRequests, knownRequests } from "../engine/arrivals/arrival-source.ts";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import type { System } from "../engine/system/system.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { issueAt, placed } from "../scenario/reading/issues.ts";
import type { ScenarioDocument, WorkloadDocument } from "../scenario/schema/scenario.ts";
import { clientSchema } from "../scenario/schema/workload.ts";
import { refuseUnreal } from "../scenario/simulated-only.ts";
import { replicationSeed } from "../sim/replication.ts";
import type { Progress, Watch } from "./follow.ts";
import { checkedOptions, type Given, type Values } from "./option.ts";
import { LOAD } from "./options.ts";
import {
  contentOf,
  type Overrides,
  readScenario,
  type Scenario,
  type ScenarioOptions,
} from "./scenario.ts";

export interface LoadOptions extends Watch, Given<typeof LOAD> {}

/** The `workload` section of a scenario: `{ arrivals: "poisson", ratePerS: 50, durationS: 10 }`. */
export type Workload = Readonly<Record<string, unknown>> & { readonly arrivals: string };

/** The report, and the first errors of requests that failed. */
export interface LoadMeasurement extends LoadReport {
  readonly errors: readonly string[];
}

/**
 * Sends a workload to any endpoint of the Open Inference Protocol, or any address, and measures the answers. Progress counts requests that ended, or the seconds of a closed
 * loop that ends by its duration. Throws Fault("invalid-input") for more than a load generator can send, and for terms
 * that only simulations have; Fault("cluster-failure") where nothing answers.
 */
export async function load(
  given: Scenario | Workload,
  options: LoadOptions,
): Promise<LoadMeasurement> {
  const loaded = patient(
    "document" in given
      ? (given as Scenario)
      : await endpoint(given as Workload, {}, { name: options.model }),
  );
  refuseOverload(loaded);
  const { report, errors } = await send(loaded, { ...options, ...checkedOptions(LOAD, options) });
  return { ...report, errors };
}

export interface EndpointOptions extends Pick<ScenarioOptions, "overridesAs"> {
  /** Names the model and the scenario. Default: endpoint. */
  readonly name?: string | undefined;
  /** Stands for the scenario's file in issues. Default: (workload). */
  readonly file?: string;
}

/** A scenario whose one task stands for an endpoint, to send it a workload. Its capacity is unknown. */
export async function endpoint(
  workload: Workload,
  overrides: Overrides = {},
  { name = "endpoint", file = "(workload)", overridesAs }: EndpointOptions = {},
): Promise<Scenario> {
  const text = JSON.stringify({
    name,
    pipelines: { [name]: { tasks: { remote: { model: "remote" } } } },
    models: { remote: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { remote: 1 } },
    workload: { client: { timeoutMs: PATIENCE_MS }, ...workload },
  });
  const given = { text, file, overrides, overridesAs, requireTimes: true };
  return {
    ...(await readScenario({ ...given, capacityOf: () => null })),
    overrides,
    inMemory: true,
  };
}

/** Time after which clients give up by default. */
const PATIENCE_MS = 60_000;

/** With a timeout for clients, so that a target that stands still ends the load. */
export function patient<T extends LoadedScenario>(loaded: T): T {
  const { document } = loaded;
  const client = document.workload.client ?? clientSchema.parse({ timeoutMs: PATIENCE_MS });
  return { ...loaded, document: { ...document, workload: { ...document.workload, client } } };
}

async function send(loaded: LoadedScenario, sending: Watch & Values<typeof LOAD>) {
  refuseUnreal(loaded);
  const { document } = loaded;
  const { workload, run } = document;
  const seed = replicationSeed(run.seed, 0);
  const system = compileSystem(document, loaded);
  const pipelines = pipelinesOf(sending, system);
  const { inputs, body, contentType, method, streamed, onProgress, signal } = sending;
  const target = await prepareTarget({
    url: sending.url,
    models: pipelines.map(({ name }) => name),
    // Loads what decodes and draws pictures: only where some are sent.
    images: async () =>
      (await import("../calibration/contents.ts")).picturesFor(document, sending.images),
    prompts: (name, lengths) =>
      sending.images === undefined
        ? (drawnPrompts(system, name, seed) ?? evenPrompts(lengths))
        : null,
    connections: sending.connections,
    access: accessOf(sending),
    seed,
    ...given({ inputs, body, contentType, method, streamed }),
  });
  const traceUs = workload.arrivals === "trace" ? loaded.traces[workload.file] : undefined;
  const done = counting(workload);
  const result = await runLoad({
    target,
    pipelines,
    workload,
    seed,
    signal,
    ...(traceUs === undefined ? {} : { traceUs }),
    warmUp: sending.warmUp,
    onProgress: ({ ended }) => onProgress?.(done(ended)),
  });
  return { report: loadReport(result, workload), errors: result.errors };
}

/** By requests, or by seconds where nobody knows how many requests there will be. */
function counting(workload: WorkloadDocument): (ended: number) => Progress {
  if (workload.arrivals === "closed" && workload.requests === undefined) {
    const { durationS = 0 } = workload;
    const startMs = performance.now();
    const elapsed = () => Math.floor((performance.now() - startMs) / 1000);
    return () => ({ done: Math.min(durationS, elapsed()), total: Math.ceil(durationS) });
  }
  const total = expectedRequests(workload);
  return (done) => ({ done, total });
}

/** The scenario's pipelines, or the one model that was named. */
function pipelinesOf({ model }: LoadOptions, { pipelines }: System) {
  if (model !== undefined) return [{ name: model, share: 1 }];
  return pipelines.map(({ name, share }) => ({ name, share }));
}

/** Without undefined values. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function accessOf({ certs, ca, tokenFile }: LoadOptions): ClientAccess {
  const { tls, token } = gatewayClientAccess(certs ?? null, "client", tokenFile ?? null);
  const trusted = ca === undefined ? (tls?.ca ?? null) : contentOf(ca, ca).toString();
  if (tls === null && trusted === null) return { tls, token };
  return { tls: { ca: trusted, pair: tls?.pair ?? null, server: null }, token };
}

/**
 * Throws Fault("invalid-input") naming each value, with its line, that asks for too much. A run takes
 * `timeScale` times as long as its scenario says.
 */
export function refuseOverload(
  loaded: LoadedScenario,
  documents: readonly ScenarioDocument[] = [loaded.document],
  timeScale = 1,
): void {
  const all = documents.flatMap((document) => issuesOf(document, timeScale));
  const issues = [...new Map(all.map((issue) => [issue.path, issue])).values()];
  if (issues.length === 0) return;
  throw new Fault("invalid-input", `${loaded.file}: more than a load generator can send`, {
    issues: issues.map((issue) => placed(issue, loaded.positions)),
  });
}

function issuesOf(document: ScenarioDocument, timeScale: number): Issue[] {
  const { workload } = document;
  const issues = tooFast(peaks(workload), timeScale);
  if (issues.length > 0) return issues;
  const requests = knownRequests(document.workload) ?? 0;
  const together = workload.arrivals === "burst" || workload.arrivals === "mlperf-offline";
  const bound = together ? LOAD_BOUNDS.waiting : LOAD_BOUNDS.requests;
  if (requests <= bound) return [];
  const message = `expected at most ${inDigits(bound)} requests ${together ? "at once" : "a run"}`;
  return [issueAt(lengthOf(workload), `${message}, got ${inDigits(requests)}`, "run it in parts")];
}

/** A rate, and the path that says so. */
type Peak = readonly [path: string, ratePerS: number];

function tooFast(all: readonly Peak[], timeScale: number): Issue[] {
  const most = LOAD_BOUNDS.ratePerS * timeScale;
  const hint = "one process sends no more; share a load among generators on several machines";
  return all
    .filter(([, ratePerS]) => ratePerS > most)
    .map(([path, ratePerS]) =>
      issueAt(path, `expected at most ${inDigits(most)} a second, got ${ratePerS}`, hint),
    );
}

/** The highest rates that a workload reaches. */
function peaks(workload: WorkloadDocument): Peak[] {
  switch (workload.arrivals) {
    case "ramp":
      return workload.rates.map(({ ratePerS }, i) => [`workload.rates.${i}.ratePerS`, ratePerS]);
    case "mmpp":
      return workload.states.map(({ ratePerS }, i) => [`workload.states.${i}.ratePerS`, ratePerS]);
    case "diurnal":
      return [["workload.ratePerS", workload.ratePerS * (1 + workload.amplitude)]];
    default:
      return "ratePerS" in workload ? [["workload.ratePerS", workload.ratePerS]] : [];
  }
}

/** The path of the key that gives the number of requests. */
function lengthOf(workload: WorkloadDocument): string {
  if ("requests" in workload && workload.requests !== undefined) return "workload.requests";
  if (!("minQueries" in workload)) return "workload.durationS";
  return workload.minQueries > LOAD_BOUNDS.requests
    ? "workload.minQueries"
    : "workload.minDurationS";
}
