/** `tandem load`: a workload against any endpoint, from the client's side. */
import { readFileSync } from "node:fs";
import { loadReport, loadReportText } from "../cluster/load/load-report.ts";
import { prepareTarget } from "../cluster/load/prepare-target.ts";
import { runLoad } from "../cluster/load/run-load.ts";
import type { TargetAccess } from "../cluster/load/specification.ts";
import { gatewayClientAccess } from "../cluster/security/client-access.ts";
import { changingTimeOf } from "../core/arrivals/changing-rate.ts";
import { expectedRequests } from "../core/arrivals/expected-requests.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import type { WorkloadDocument } from "../core/scenario/schema.ts";
import { refuseUnreal } from "../core/scenario/simulated-only.ts";
import { capacityText } from "../reports/tables/parameters.ts";
import { replicationSeed } from "../sim/replication.ts";
import { LOAD } from "./load-command.ts";
import { loadWorkload, type WorkloadArguments } from "./load-workload.ts";
import { type Course, progress } from "./progress.ts";
import { repeatCommand } from "./repeat-command.ts";

export interface LoadArguments extends WorkloadArguments {
  readonly json: boolean;
  readonly url: string;
  readonly model?: string;
  readonly images?: string;
  readonly inputs?: string;
  readonly body?: string;
  readonly contentType?: string;
  readonly method?: string;
  readonly stream?: boolean;
  readonly connections: number;
  readonly warmUp: boolean;
  readonly certs?: string;
  readonly ca?: string;
  readonly tokenFile?: string;
}

export async function load(args: LoadArguments): Promise<void> {
  const loaded = await loadWorkload(args, args.model ?? "endpoint");
  refuseUnreal(loaded);
  const { document } = loaded;
  const { workload, run } = document;
  const seed = replicationSeed(run.seed, 0);
  const pipelines = pipelinesOf(args, loaded);
  const target = await prepareTarget({
    url: args.url,
    models: pipelines.map(({ name }) => name),
    // Loads what decodes and draws pictures: only where some are sent.
    images: async () =>
      (await import("../calibration/pictures.ts")).picturesFor(document, args.images),
    connections: args.connections,
    access: accessOf(args),
    seed,
    ...given({
      inputs: args.inputs,
      body: args.body,
      contentType: args.contentType,
      method: args.method,
      streamed: args.stream,
    }),
  });
  const traceUs = workload.arrivals === "trace" ? loaded.traces[workload.file] : undefined;
  const shown = loadProgress(workload, expectedRequests(workload));
  const result = await runLoad({
    target,
    pipelines,
    workload,
    ...(traceUs === undefined ? {} : { traceUs }),
    seed,
    warmUp: args.warmUp,
    onProgress: shown.update,
  }).finally(() => shown.stop());
  const report = loadReport(result, workload);
  const command = repeatCommand("load", { ...args, seed: run.seed, extra: flagsOf(args) });
  if (args.json) {
    const { capacity } = loaded;
    const head = { schema: "tandem/load@1", url: args.url, seed: run.seed, command, capacity };
    process.stdout.write(`${JSON.stringify({ ...head, ...report, errors: result.errors })}\n`);
  } else {
    const lines = [loadReportText(report), capacityText(loaded.capacity)];
    process.stdout.write(`${lines.filter((line) => line !== "").join("\n")}\n`);
  }
  if (result.errors.length > 0) {
    throw new Fault("cluster-failure", `requests failed; the first: ${result.errors[0]}`);
  }
  if (report.verdict === "refused") {
    throw new Fault("unhealthy", "the load generator was not fit to be judged by", {
      hint: "run it on a quieter machine, or with less load",
    });
  }
}

/** By requests, or by seconds where nobody knows how many requests it will be. */
function loadProgress(workload: WorkloadDocument, requests: number) {
  const seconds = "durationS" in workload ? workload.durationS : undefined;
  if (workload.arrivals !== "closed" || seconds === undefined || workload.requests !== undefined) {
    const shown = progress("load", { total: requests, ...courseOf(workload) });
    return { ...shown, update: ({ ended }: { ended: number }) => shown.update(ended) };
  }
  const shown = progress("load, seconds", { total: Math.ceil(seconds) });
  const startMs = performance.now();
  const elapsed = (): number => Math.min(seconds, Math.floor((performance.now() - startMs) / 1000));
  return { ...shown, update: () => shown.update(elapsed()) };
}

/** Where the rate changes, nobody can tell by the pace so far how long the rest takes. */
function courseOf(workload: WorkloadDocument): Pick<Course, "timeOf"> {
  if (workload.arrivals !== "ramp" && workload.arrivals !== "diurnal") return {};
  const { durationS = Number.POSITIVE_INFINITY } = workload;
  return { timeOf: (done) => Math.min(durationS, changingTimeOf(workload)(done) / 1e6) };
}

/** The scenario's pipelines, or the one model that was named. */
function pipelinesOf(args: LoadArguments, loaded: LoadedScenario) {
  if (args.model !== undefined) return [{ name: args.model, share: 1 }];
  const { pipelines } = compileSystem(loaded.document, loaded);
  return pipelines.map(({ name, share }) => ({ name, share }));
}

/** What was said besides the scenario, as it was said. */
function flagsOf(args: LoadArguments): string[] {
  const said: Readonly<Record<string, unknown>> = { ...args };
  return Object.keys(LOAD.options ?? {}).flatMap((name) => {
    const value = said[name.replace(/-[a-z]/g, ([, letter]) => letter.toUpperCase())];
    if (["set", "seed", "json"].includes(name) || value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, String(value)];
  });
}

/** Without what was not given. */
function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function accessOf({ certs, ca, tokenFile }: LoadArguments): Omit<TargetAccess, "tls"> {
  const { tls, token } = gatewayClientAccess(certs ?? null, "client", tokenFile ?? null);
  return given({
    ca: ca === undefined ? (tls?.ca ?? undefined) : readCertificates(ca),
    pair: tls?.pair ?? undefined,
    token: token ?? undefined,
  });
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Fault("not-found", `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
}
