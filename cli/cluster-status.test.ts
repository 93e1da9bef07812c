import { describe, expect, it } from "vitest";
import type { ClusterStatus } from "../cluster/deploy/state.ts";
import type { GatewayStatus } from "../cluster/observe/gateway-status.ts";
import { WindowSum } from "../cluster/observe/lately.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { nextStep, statusText } from "./cluster.ts";

const now: GatewayStatus = {
  atMs: 1,
  scheduler: "join-shortest-queue",
  windowS: 10,
  replicas: ["detect-1", "a-replica-with-quite-a-long-name-1"].map((name, i) => ({
    name,
    task: "detect",
    node: "gpu-1",
    inFlight: i,
    queue: i === 0 ? null : 3,
    state: i === 0 ? ("up" as const) : ("down" as const),
    batches: 10,
    jobs: 25,
    busyS: 3,
    losses: i,
    utilizationRatio: 0.5,
    batchSizeMean: 2.5,
    serviceP50Ms: 12.345,
    serviceP99Ms: null,
    lost: i === 0 ? null : { reason: "its stream of batches ended", agoS: 75 },
  })),
  tasks: [{ name: "detect", queue: 4 }],
  all: { completedPerS: 20.5, latencyP50Ms: 30, latencyP95Ms: 900, latencyP99Ms: 1234.5 },
  pipelines: [
    {
      name: "vehicles",
      inFlight: 2,
      completed: 1234,
      failures: { refused: 3, failed: 1 },
      completedPerS: 20.5,
      failedPerS: 0.4,
      latencyP50Ms: 30,
      latencyP99Ms: 1234.5,
    },
  ],
};
const status: ClusterStatus = {
  state: {
    id: "x",
    scenario: "image-analysis",
    backend: "onnx",
    timeScale: 1,
    supervisorPid: 1,
    certificates: null,
    inventory: null,
    command: null,
    startedAt: "2026-01-02T03:04:05.678Z",
    gateway: { grpc: "127.0.0.1:8001", http: "http://127.0.0.1:8000", pid: 42, machine: null },
    workers: [{ replica: "detect-1", machine: null, pid: 77, address: "127.0.0.1:8002" }],
  },
  alive: true,
  supervised: true,
  report: null,
  now,
  leftovers: null,
};

describe("the status table", () => {
  it.each([40, 60, 80, 120, 200])("has no line longer than %i columns", (width) => {
    const lines = statusText(status, width).split("\n");
    expect(lines.filter((line) => line.length > width && !line.includes("scheduler"))).toEqual([]);
  });

  it("shows what there is room for: at 120 columns, everything", () => {
    const text = statusText(status, 120);
    expect(text).toMatch(/detect-1 +up +50% +12\.3 +— +shared +0 +2\.5 +0 +77 +gpu-1/);
    expect(text).toMatch(/long-name-1 +down +50% +12\.3 +— +3 +1 +2\.5 +1 +—/);
    expect(text).toMatch(/vehicles +20\.5 +30\.0 +1235 +0\.4 +2 +1234 +4/);
    expect(text).toContain("waiting in shared queues: detect 4");
    expect(text).toMatch(/^a-replica-with-quite-a-long-name-1 is down for 1 min 15 s: its stream/m);
    expect(text).toContain("up since 2026-01-02 03:04:05");
    expect(statusText(status, 60)).not.toContain("node");
    const workers = [{ ...status.state.workers[0], machine: "box1" }];
    expect(statusText({ ...status, state: { ...status.state, workers } }, 120)).toMatch(
      /detect-1 +up .* 77 +gpu-1 on box1/,
    );
  });

  it("says when nothing is up, or does not answer", () => {
    expect(statusText(null, 80)).toBe("no cluster is up in this folder");
    const silent = { ...status, alive: false, now: null };
    expect(statusText(silent, 80)).toContain("the gateway does not answer");
    expect(statusText({ ...status, now: null }, 80)).toContain("to admins only: --token-file");
  });
});

it("a sum of the last seconds forgets what is older, and leaves the present second out", () => {
  const sum = new WindowSum();
  for (let second = 0; second < 100; second++) sum.add(1, second * 1e6 + 5);
  expect(sum.total(100e6, 10)).toBe(10);
  expect(sum.total(99.5e6, 10)).toBe(10);
  expect(sum.total(105e6, 10)).toBe(5);
  expect(sum.total(200e6, 10)).toBe(0);
});

it("the next command of `up` loads it with the same values", () => {
  const set = ["workload.ratePerS=5", "scheduler={preset: edf}"];
  const args = { scenario: "my s.yaml", set, certs: "certs" };
  const workload = { arrivals: "poisson", ratePerS: 5, durationS: 600 } as const;
  const next = nextStep(args, { workload } as ScenarioDocument, status.state);
  expect(next).toBe(
    "next: npx tandem load 'my s.yaml' --url 127.0.0.1:8001 --set workload.ratePerS=5 " +
      "--set 'scheduler={preset: edf}' --certs certs --duration 30",
  );
});
