/** One deployment as its operator sees it: metrics, status, log and traces tell of the same events. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { type Deployment, startDeployment } from "../deploy/deployment.ts";
import { eventually, NO_INPUTS, TWO_REPLICAS, twoTasks } from "../deployment.test-support.ts";
import type { GatewayStatus } from "./gateway-status.ts";

const directory = temporaryFolder("observed");
const REQUESTS = 5;
let deployment: Deployment;

beforeAll(async () => {
  deployment = await startDeployment({
    document: twoTasks(TWO_REPLICAS),
    inputs: NO_INPUTS,
    backend: "replay",
    seed: "observed",
    directory,
    trace: join(directory, "traces.jsonl"),
    replicasPerWorker: 1,
  });
});
afterAll(async () => {
  await deployment.stop();
});

const text = (file: string): string => readFileSync(join(directory, file), "utf8");

/** The value of a Prometheus series, as `name{labels}`. */
async function sample(series: string): Promise<number> {
  const response = await fetch(`${deployment.gateway.http}/metrics`);
  const line = (await response.text()).split("\n").find((one) => one.startsWith(`${series} `));
  return Number(line?.slice(series.length));
}

interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Lines of the gateway's log with this message; the last line may be a part of one. */
function logged(msg: string): readonly LogLine[] {
  const lines = text("gateway.log").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as LogLine).filter((line) => line.msg === msg);
}

it("metrics count requests, whose traces continue the caller's span", async () => {
  const caller = (i: number) => `00-${String(i).repeat(32)}-${String(i).repeat(16)}-01`;
  for (let i = 1; i <= REQUESTS; i++) {
    const response = await fetch(`${deployment.gateway.http}/v2/models/vehicles/infer`, {
      method: "POST",
      headers: { "content-type": "image/png", traceparent: caller(i), "x-request-id": `mine-${i}` },
      body: new Uint8Array(10),
    });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-request-id")).toBe(`mine-${i}`);
    const own = new RegExp(`^00-${i}{32}-(?!${i}{16})[\\da-f]{16}-01$`);
    expect(response.headers.get("traceparent")).toMatch(own);
  }
  expect(await sample('tandem_request_success_total{pipeline="vehicles"}')).toBe(REQUESTS);
  expect(await sample('tandem_batch_size_sum{task="detect"}')).toBe(REQUESTS);
  expect(await sample('tandem_requests_in_flight{pipeline="vehicles"}')).toBe(0);
});

it("a killed worker's replica is lost, and back, in status, metrics and log", async () => {
  const [, { replica, pid }] = deployment.workers;
  process.kill(pid, "SIGKILL");
  const isBack = async (): Promise<boolean> => {
    const answer = await fetch(`${deployment.gateway.http}/status`);
    const { replicas } = (await answer.json()) as GatewayStatus;
    const now = replicas.find(({ name }) => name === replica);
    return now?.losses === 1 && now.state === "up";
  };
  expect(await eventually(isBack)).toBe(true);
  const labels = `{task="plate",replica="${replica}"}`;
  expect(await sample(`tandem_replica_losses_total${labels}`)).toBe(1);
  expect(await sample(`tandem_replica_up${labels}`)).toBe(1);
  const [lost, ...others] = logged("replica lost");
  expect(others).toEqual([]);
  expect(lost).toMatchObject({ level: "warn", replica, task: "plate" });
});

it("the log has the end, and all processes continue the callers' traces", async () => {
  await deployment.stop();
  expect(logged("gateway ready")).toHaveLength(1);
  expect(logged("gateway stopped")).toHaveLength(1);
  const traces = text("traces.jsonl");
  for (const process of ["tandem-gateway", "tandem-worker"]) expect(traces).toContain(process);
  const found = [...traces.matchAll(/"traceId":"(\w{32})"/g)].map(([, id]) => id);
  expect(new Set(found)).toEqual(new Set(["1", "2", "3", "4", "5"].map((i) => i.repeat(32))));
  expect(traces).toContain('"name":"compute detect"');
});
