/** `/metrics` and `/status` of a real gateway, after requests whose ends are known. */
import { spawnSync } from "node:child_process";
import { expect, it } from "vitest";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { eventually, noOp, twoTasks, withDeployment } from "../deployment.test-support.ts";
import { run } from "../measured-run.test-support.ts";
import { peer } from "../protocol/peers.test-support.ts";
import { postJson } from "../security/client-access.ts";
import type { GatewayStatus } from "./gateway-status.ts";

type Samples = ReadonlyMap<string, number>;

async function scrape(http: string): Promise<{ text: string; samples: Samples }> {
  const response = await fetch(`${http}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0.0.4/);
  const text = await response.text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
  return { text, samples };
}

it("counts all runs, under the field's metric names", async () => {
  const document = twoTasks();
  const sinceS = Date.now() / 1000;
  await withDeployment({ document, backend: "replay" }, async ({ gateway, ...rest }) => {
    const deployment = { gateway, ...rest };
    const before = (await scrape(gateway.http)).samples;
    const { gantt } = await run(deployment, document);
    const { text, samples } = await scrape(gateway.http);
    const grown = (name: string): number => (samples.get(name) ?? 0) - (before.get(name) ?? 0);
    const plates = gantt.filter(({ task }) => task === "plate").length;
    // The warm-up's requests count too: they were served.
    const served = grown('tandem_request_success_total{pipeline="vehicles"}');
    expect(served).toBeGreaterThanOrEqual(60);
    expect(grown('tandem_request_duration_seconds_count{pipeline="vehicles"}')).toBe(served);
    expect(grown('tandem_request_duration_seconds_bucket{pipeline="vehicles",le="+Inf"}')).toBe(
      served,
    );
    expect(grown('tandem_queue_duration_seconds_count{task="detect"}')).toBe(served);
    expect(grown('tandem_batch_size_sum{task="detect"}')).toBe(served);
    expect(grown('tandem_batch_size_sum{task="plate"}')).toBeGreaterThanOrEqual(plates);
    expect(grown('tandem_compute_duration_seconds_sum{task="detect"}')).toBeGreaterThan(0);
    expect(samples.get('tandem_requests_in_flight{pipeline="vehicles"}')).toBe(0);
    expect(samples.get('tandem_queue_length{task="plate"}')).toBe(0);
    expect(samples.get('tandem_replica_up{task="detect",replica="detect-2"}')).toBe(1);
    expect(samples.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    for (const { address, pid } of rest.workers) {
      const own = (name: string) =>
        samples.get(`tandem_worker_process_${name}{worker="${address}"}`);
      expect(own("cpu_seconds_total")).toBeGreaterThan(0);
      expect(own("resident_memory_bytes")).toBeGreaterThan(20e6);
      expect(own("open_fds")).toBeGreaterThan(3);
      const startedS = own("start_time_seconds");
      expect(startedS, `of ${pid}`).toBeGreaterThan(sinceS - 1);
      expect(startedS).toBeLessThan(Date.now() / 1000);
    }
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
    expect(types.length).toBeGreaterThan(20);
    for (const [, name, type] of types) {
      expect(text).toContain(`# HELP ${name} `);
      expect(name.endsWith("_total"), name).toBe(type === "counter");
    }
  });
});

it("counts tokens and their times where a language model writes, and only there", async () => {
  const document = scenarioSchema.parse({
    ...noOp(),
    pipelines: {
      answer: {
        tasks: {
          read: { model: "reader", tokens: { prompt: 20, output: 6 } },
          write: { model: "writer", after: ["read"], tokens: { from: "read" } },
        },
      },
      look: { tasks: { look: { model: "looker" } } },
    },
    models: {
      looker: { service: { distribution: "deterministic", meanMs: 2 } },
      reader: { tokens: { steps: { prefill: [20, 0, 0], decode: [2, 0, 0] }, maxSequences: 2 } },
      writer: { tokens: { steps: { prefill: [2, 0, 0], decode: [4, 0, 0] }, maxSequences: 2 } },
    },
    cluster: { replicas: { read: 1, write: 1, look: 1 } },
  });
  await withDeployment({ document, backend: "replay" }, async ({ gateway }) => {
    const ask = async (): Promise<void> => {
      const body = { model: "answer", prompt: "x" };
      const answer = await postJson(`${gateway.http}/v1/completions`, body);
      expect(answer.status).toBe(200);
    };
    const before = (await scrape(gateway.http)).samples;
    await Promise.all([ask(), ask(), ask()]);
    const { text, samples } = await scrape(gateway.http);
    const grown = (name: string): number => (samples.get(name) ?? 0) - (before.get(name) ?? 0);
    const [first, each] = ["time_to_first_token", "time_per_output_token"].map((name) =>
      ["sum", "count"].map((part) => grown(`tandem_${name}_seconds_${part}{pipeline="answer"}`)),
    );
    expect([first[1], each[1]]).toEqual([3, 3]);
    expect(first[0]).toBeGreaterThan(3 * 0.019);
    expect(each[0]).toBeGreaterThan(3 * 0.0039);
    const tokens = ["read", "write"].map((task) =>
      ["prompt", "generation"].map((what) => grown(`tandem_${what}_tokens_total{task="${task}"}`)),
    );
    // The second engine gets the prompt's keys and values, and the first token is the first engine's.
    expect(tokens).toEqual([
      [60, 3],
      [0, 15],
    ]);
    expect(text).not.toMatch(/token.*look/);
  });
});

it("counts requests that the gateway refuses", async () => {
  const document = twoTasks();
  const options = { document, backend: "replay", bounds: { maxInSystem: 0 } } as const;
  await withDeployment(options, async ({ gateway }) => {
    const body = "not a picture, but nobody looks";
    const headers = { "content-type": "application/octet-stream" };
    const url = `${gateway.http}/v2/models/vehicles/infer`;
    for (let i = 0; i < 3; i++) {
      expect((await fetch(url, { method: "POST", headers, body })).status).toBe(429);
    }
    const { samples } = await scrape(gateway.http);
    const refused = 'tandem_request_failure_total{pipeline="vehicles",reason="refused"}';
    expect(samples.get(refused)).toBe(3);
    expect(samples.get('tandem_requests_in_flight{pipeline="vehicles"}')).toBe(0);
  });
});

it("shows that a replica is down, and how often it was lost", async () => {
  const options = { document: twoTasks(), backend: "replay", restart: false } as const;
  await withDeployment({ ...options, replicasPerWorker: 1 }, async ({ gateway, workers }) => {
    process.kill(workers[0].pid, "SIGKILL");
    const up = 'tandem_replica_up{task="detect",replica="detect-1"}';
    expect(await eventually(async () => (await scrape(gateway.http)).samples.get(up) === 0)).toBe(
      true,
    );
    const { samples } = await scrape(gateway.http);
    expect(samples.get('tandem_replica_losses_total{task="detect",replica="detect-1"}')).toBe(1);
    expect(samples.get('tandem_replica_up{task="detect",replica="detect-2"}')).toBe(1);
    const told = [...samples.keys()].filter((name) => name.includes("_open_fds{worker="));
    expect(told).toHaveLength(workers.length - 1);
    const status = (await (await fetch(`${gateway.http}/status`)).json()) as GatewayStatus;
    expect(status.scheduler).toBe("fifo");
    expect(status.replicas.map(({ name, state, losses }) => [name, state, losses])).toEqual([
      ["detect-1", "down", 1],
      ["detect-2", "up", 0],
      ["plate-1", "up", 0],
    ]);
  });
});

const PARSER = `
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.documentation, family.name
    print(family.name, family.type, len(family.samples))
`;
const python = peer("python3", ["-c", "import prometheus_client"], "prometheus_client");

it.skipIf(python === null)("reads as Prometheus' own parser reads it", async () => {
  await withDeployment({ document: twoTasks(), backend: "replay" }, async ({ gateway }) => {
    const { text } = await scrape(gateway.http);
    const parsed = spawnSync(python as string, ["-c", PARSER], { input: text, encoding: "utf8" });
    expect(parsed.stderr).toBe("");
    expect(parsed.stdout).toContain("tandem_request_success counter 1");
    expect(parsed.stdout).toContain("tandem_batch_size histogram");
  });
});
