/**
 * A gateway under overload: answers within the goal a second at loads around the capacity and at five times
 * the capacity, and the time until it refuses the rest.
 *
 *   npm run bench:overload -- [--json] [--quick]
 */

import { availableParallelism, loadavg } from "node:os";
import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { runLoad } from "../cluster/load/run-load.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { NO_ACCESS } from "../cluster/security/client-access.ts";
import { OUTCOMES } from "../core/dispatch/driver.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { selectQuantile } from "../core/statistics/estimate.ts";

const REPLICAS = 2;
const SERVICE_MS = 10;
const CAPACITY_PER_S = (REPLICAS * 1000) / SERVICE_MS;
/** Each call has a connection of its own; the gateway takes 1024 at once. */
const MOST_CONNECTIONS = 1000;
const GOAL_MS = 1000;
const OVERLOAD = 5;
const REQUESTS = [payloadRequest(Buffer.from("small"))];
/** Loads, as shares of the capacity, at which the peak is looked for. */
const LOADS = [0.8, 0.95, 1.1, OVERLOAD];

/** Heads of a point's figures, and digits after the point. */
const COLUMNS = {
  load: ["load", 2],
  offeredPerS: ["offered/s", 0],
  goodPerS: ["good/s", 1],
  refusedRatio: ["refused", 3],
  refusedP50Ms: ["ref p50 ms", 1],
  refusedP99Ms: ["ref p99 ms", 1],
  latencyP99Ms: ["p99 ms", 0],
  other: ["other", 0],
} as const;

type Point = Readonly<Record<keyof typeof COLUMNS, number>>;

const words = process.argv.slice(2);
const seconds = words.includes("--quick") ? 5 : 15;
const deployment = await startDeployment({
  document: scenario({ arrivals: "burst", requests: 1 }),
  inputs: { profiles: {} },
  backend: "replay",
  seed: "overload",
});
try {
  const points: Point[] = [];
  for (const load of LOADS) points.push(await measure(deployment, load));
  const hint = await retryHint(deployment);
  const peak = Math.max(...points.map(({ goodPerS }) => goodPerS));
  const kept = (points.at(-1)?.goodPerS ?? 0) / peak;
  const result = {
    ...{ schema: "tandem/bench-overload@1", cores: availableParallelism(), load: loadavg()[0] },
    ...{ capacityPerS: CAPACITY_PER_S, points, kept, hint },
  };
  process.stdout.write(words.includes("--json") ? `${JSON.stringify(result)}\n` : text(result));
} finally {
  await deployment.stop();
}

function scenario(workload: object): ReturnType<typeof scenarioSchema.parse> {
  const service = { distribution: "exponential", meanMs: SERVICE_MS };
  return scenarioSchema.parse({
    name: "overload",
    pipelines: {
      two: {
        slo: { latencyMs: GOAL_MS },
        tasks: { first: { model: "some" }, second: { model: "some", after: ["first"] } },
      },
    },
    models: { some: { service } },
    cluster: { replicas: { first: REPLICAS, second: REPLICAS } },
    workload,
  });
}

async function measure({ gateway }: Deployment, load: number): Promise<Point> {
  const ratePerS = load * CAPACITY_PER_S;
  const result = await runLoad({
    target: {
      ...{ kind: "grpc", address: gateway.grpc, streamed: true },
      ...{ requests: [REQUESTS], access: NO_ACCESS },
    },
    pipelines: [{ name: "two", share: 1 }],
    workload: scenario({ arrivals: "poisson", ratePerS, durationS: seconds }).workload,
    seed: `load ${load}`,
  });
  const ended = [...result.outcome].map((outcome, i) => ({
    outcome: OUTCOMES[outcome],
    latencyMs: (result.endedUs[i] - result.intendedUs[i]) / 1000,
  }));
  const times = (outcome: string): Float64Array =>
    Float64Array.from(ended.filter((e) => e.outcome === outcome).map((e) => e.latencyMs));
  const completed = times("completed");
  const refused = times("refused");
  return {
    load,
    offeredPerS: result.requests / seconds,
    goodPerS: completed.filter((ms) => ms <= GOAL_MS).length / seconds,
    refusedRatio: refused.length / result.requests,
    refusedP50Ms: quantile(refused, 0.5),
    refusedP99Ms: quantile(refused, 0.99),
    latencyP99Ms: quantile(completed, 0.99),
    other: result.requests - completed.length - refused.length,
  };
}

/** REST's answer to a refused one of many concurrent requests. */
async function retryHint({ gateway }: Deployment): Promise<string> {
  const body = Buffer.from("small");
  const headers = { "content-type": "application/octet-stream" };
  const url = `${gateway.http}/v2/models/two/infer`;
  const asked = Array.from({ length: MOST_CONNECTIONS }, async () => {
    const answer = await fetch(url, { method: "POST", headers, body });
    await answer.arrayBuffer();
    return answer.status === 429 ? `429, retry-after ${answer.headers.get("retry-after")} s` : null;
  });
  return (await Promise.all(asked)).find((found) => found !== null) ?? "nobody was refused";
}

/** NaN, which JSON has as null, of none. */
function quantile(values: Float64Array, q: number): number {
  return values.length === 0 ? Number.NaN : selectQuantile(values, q);
}

interface Result {
  readonly cores: number;
  readonly load: number;
  readonly points: readonly Point[];
  readonly kept: number;
  readonly hint: string;
}

function text({ cores, load, points, kept, hint }: Result): string {
  const names = Object.keys(COLUMNS) as (keyof Point)[];
  const line = (cellOf: (name: keyof Point) => string): string =>
    names.map((name) => cellOf(name).padStart(12)).join("");
  const figure = (value: number, digits: number): string =>
    Number.isNaN(value) ? "-" : value.toFixed(digits);
  return [
    `capacity ${CAPACITY_PER_S}/s, goal ${GOAL_MS} ms, ${cores} cores, load ${load.toFixed(1)}`,
    line((name) => COLUMNS[name][0]),
    ...points.map((point) => line((name) => figure(point[name], COLUMNS[name][1]))),
    `at ${OVERLOAD} x the capacity ${(100 * kept).toFixed(1)} % of the peak's goodput are left (asked: 90 %), refusals within 50 ms asked`,
    `hint to a refused client: ${hint}`,
    "",
  ].join("\n");
}
