/** `tandem load`: the scenario's workload against an endpoint, open loop, from the client's side. */
import { payloadsFor } from "../calibration/payloads.ts";
import { loadHealth, outcomeCounts } from "../cluster/load/load-health.ts";
import { runLoad } from "../cluster/load/run-load.ts";
import type { LoadResult } from "../cluster/load/specification.ts";
import { gatewayClientAccess } from "../cluster/security/client-access.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import { refuseUnreal } from "../core/scenario/simulated-only.ts";
import { rankOf } from "../core/statistics/quantile.ts";
import { replicationSeed } from "../sim/replication.ts";
import { expectedRequests } from "./expected-requests.ts";
import { progress } from "./progress.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

export interface LoadArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly url: string;
  readonly images?: string;
  readonly certs?: string;
  readonly tokenFile?: string;
}

export async function load(args: LoadArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: true });
  refuseUnreal(loaded);
  const { document } = loaded;
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? loaded.traces[workload.file] : undefined;
  const shown = progress("load", expectedRequests(document));
  const result = await runLoad({
    target: targetOf(args.url),
    pipelines: compileSystem(document, loaded).pipelines.map(({ name, share }) => ({
      name,
      share,
    })),
    workload,
    ...(traceUs === undefined ? {} : { traceUs }),
    seed: replicationSeed(document.run.seed, 0),
    payloads: await payloadsFor(document, args.images),
    access: gatewayClientAccess(args.certs ?? null, "client", args.tokenFile ?? null),
    onProgress: ({ ended }) => shown.update(ended),
  });
  shown.stop();
  const summary = summaryOf(result);
  if (args.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else process.stdout.write(`${summaryText(summary)}\n`);
  if (result.errors.length > 0) {
    throw new Fault("cluster-failure", `requests failed; the first: ${result.errors[0]}`);
  }
}

/** host:port, with or without a scheme before it. */
function targetOf(url: string): string {
  const target = url.replace(/^(https?|grpc):\/\//, "").replace(/\/$/, "");
  if (/^(\[[\da-fA-F:]+\]|[\w.-]+):\d{1,5}$/.test(target)) return target;
  throw new Fault("usage", `--url is the gateway's gRPC address, host:port; got ${url}`, {
    hint: "`tandem cluster status` shows it",
  });
}

function summaryOf(result: LoadResult) {
  const latencies = result.latencyUs.filter((us) => !Number.isNaN(us)).sort();
  const atMs = (share: number): number | null =>
    latencies.length === 0 ? null : latencies[rankOf(share, latencies.length)] / 1000;
  const mean = latencies.reduce((sum, us) => sum + us, 0) / latencies.length / 1000;
  return {
    requests: result.requests,
    outcomes: outcomeCounts(result),
    latencyMeanMs: latencies.length === 0 ? null : mean,
    latencyP50Ms: atMs(0.5),
    latencyP90Ms: atMs(0.9),
    latencyP95Ms: atMs(0.95),
    latencyP99Ms: atMs(0.99),
    latencyMaxMs: atMs(1),
    health: loadHealth(result),
    startedAt: result.startedAt,
  };
}

function summaryText(summary: ReturnType<typeof summaryOf>): string {
  const { outcomes, health, requests } = summary;
  const ms = (value: number | null): string => (value === null ? "—" : `${value.toFixed(1)} ms`);
  const ended = Object.entries(outcomes)
    .filter(([, count]) => count > 0)
    .map(([outcome, count]) => `${count} ${outcome}`);
  return [
    `${requests} requests: ${ended.join(", ")}`,
    `latency from the intended arrival: mean ${ms(summary.latencyMeanMs)}, p50 ${ms(summary.latencyP50Ms)}, p90 ${ms(summary.latencyP90Ms)}, p95 ${ms(summary.latencyP95Ms)}, p99 ${ms(summary.latencyP99Ms)}, max ${ms(summary.latencyMaxMs)}`,
    health.healthy
      ? `load generator on time (p99 of lateness ${health.latenessP99Ms.toFixed(2)} ms)`
      : `not to be judged by: ${health.reasons.join("; ")}`,
  ].join("\n");
}
