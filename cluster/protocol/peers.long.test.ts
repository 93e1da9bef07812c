import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { deployed } from "../deployed.test-support.ts";
import { twoTasks } from "../deployment.test-support.ts";
import { peer, ran } from "./peers.test-support.ts";

const SCRIPT = new URL("peers/triton_client.py", import.meta.url).pathname;

const python = peer(
  "python3",
  ["-c", "import tritonclient.grpc, tritonclient.http"],
  "tritonclient",
);
const buf = peer("buf", ["--version"], "buf");
const schemathesis = peer("schemathesis", ["--version"], "schemathesis");
const perfAnalyzer = peer("perf_analyzer", ["--version"], "perf_analyzer");

type Checks = Readonly<Record<string, unknown>>;

/** Findings of the Python script, by check. */
async function tritonClient(...options: readonly string[]): Promise<Checks> {
  const { stdout, stderr } = await ran(python as string, [SCRIPT, ...options]);
  const lines = stdout.split("\n").filter((line) => line !== "");
  expect(lines.length, stderr).toBeGreaterThan(0);
  const checks = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return Object.fromEntries(checks.map(({ check, value, error }) => [check, value ?? error]));
}

const SMOKE = { tags: ["smoke"] };

describe("foreign clients", () => {
  const folder = temporaryFolder("schemathesis");
  const own = deployed({ document: twoTasks(), backend: "replay" });
  const http = () => own.http.replace("http://", "");

  it.skipIf(python === null)("tritonclient uses the gateway over both", SMOKE, async () => {
    const { grpc } = own.deployment.gateway;
    const found = await tritonClient(grpc, http(), "vehicles", "output", "payload");
    expect(found).toMatchObject({
      "grpc health": [true, true, true],
      "grpc metadata": [{ name: "tandem-gateway" }, { name: "vehicles", versions: ["1"] }],
      "grpc config": { config: { name: "vehicles", input: [{ name: "payload" }] } },
      "grpc index": { models: [{ name: "vehicles", version: "1", state: "READY" }] },
      "grpc infer": ["mine", "vehicles", [1]],
      "grpc infer, several elements": [3],
      "grpc infer, named output and version": [1],
      "grpc typed contents": ["typed", 1, [[2]]],
      "grpc stream": [
        Array.from({ length: 20 }, (_, i) => i),
        true,
        [expect.stringContaining("no-such-model")],
      ],
      "grpc errors": {
        "unknown model": "StatusCode.NOT_FOUND",
        "unknown version": "StatusCode.NOT_FOUND",
        "malformed tensor": "StatusCode.INVALID_ARGUMENT",
        "unknown input": "StatusCode.INVALID_ARGUMENT",
        "unknown output": "StatusCode.INVALID_ARGUMENT",
      },
      // 1 + 3 + 1 + 2 + 20 elements that were answered, and 1 after the load.
      "grpc unload and load": [false, "StatusCode.UNAVAILABLE", true, [1]],
      "grpc statistics": { name: "vehicles", inference_stats: { success: { count: "28" } } },
      "http health": [true, true, true],
      "http metadata": [{ name: "tandem-gateway" }, { name: "vehicles" }],
      "http config": { name: "vehicles", max_batch_size: 0 },
      "http index": [{ name: "vehicles", state: "READY" }],
      "http infer, binary both ways": ["7", [2]],
      "http infer, JSON both ways": ["7", [3]],
      "http infer, compressed": ["7", [1]],
      "http errors": { "unknown model": "404", "malformed tensor": "400" },
      "http unload and load": [false, "503", true, [1]],
      "http statistics": { name: "vehicles", inference_stats: { success: { count: 35 } } },
    });
  });

  it.skipIf(python === null)("tritonclient uses a replica of a worker as a model", async () => {
    const [{ address, replica }] = own.deployment.workers;
    const found = await tritonClient(address, "-", replica, "output", "payload", "upstream");
    expect(found).toMatchObject({
      "grpc health": [true, true, true],
      "grpc infer": ["mine", replica, [1]],
      "grpc infer, several elements": [3],
      "grpc typed contents": ["typed", 1, [[2]]],
      "grpc stream": [expect.objectContaining({ length: 20 }), true, expect.anything()],
      "grpc errors": { "unknown model": "StatusCode.NOT_FOUND" },
      "grpc statistics": { inference_count: expect.any(String) },
    });
  });

  it.skipIf(buf === null)(
    "buf curl finds the contract by reflection, calls, streams and gets statuses",
    async () => {
      const curl = async (path: string, body: string) => {
        const url = `http://${own.deployment.gateway.grpc}/${path}`;
        const options = ["curl", "--http2-prior-knowledge", "--protocol", "grpc", "-d", body, url];
        return ran(buf as string, options);
      };
      const service = "inference.GRPCInferenceService";
      const input = {
        name: "payload",
        datatype: "BYTES",
        shape: [1],
        contents: { bytes_contents: ["aGVsbG8="] },
      };
      const infer = { model_name: "vehicles", inputs: [input] };
      const one = await curl(`${service}/ModelInfer`, JSON.stringify({ ...infer, id: "one" }));
      expect(one.code, one.stderr).toBe(0);
      expect(JSON.parse(one.stdout)).toMatchObject({ id: "one", outputs: [{ name: "output" }] });
      // The caller says all it has to say before the first answer.
      const many = ["a", "b", "c"].map((id) => JSON.stringify({ ...infer, id })).join("\n");
      const streamed = await curl(`${service}/ModelStreamInfer`, many);
      const ids = [...streamed.stdout.matchAll(/"id": "(\w)"/g)].map(([, id]) => id);
      expect(ids.sort(), streamed.stderr).toEqual(["a", "b", "c"]);
      const none = await curl(`${service}/ModelReady`, '{"name":"boats"}');
      expect(none.stderr).toContain("not_found");
      const health = await curl("grpc.health.v1.Health/Check", '{"service":"vehicles"}');
      expect(JSON.parse(health.stdout)).toEqual({ status: "SERVING" });
    },
  );

  it.skipIf(schemathesis === null)(
    "schemathesis finds no answer of the REST side that its OpenAPI document does not allow",
    async () => {
      // Which policies take which parameters is beyond a schema, so valid data may be refused.
      const config = join(folder, "schemathesis.toml");
      // It takes 413 for no rejection, where an array is longer than its bound.
      const rejections = ["400", "404", "405", "406", "409", "413", "415", "422", "429", "5xx"];
      const statuses = `expected-statuses = ${JSON.stringify(rejections)}`;
      writeFileSync(config, `[checks.negative_data_rejection]\n${statuses}\n`);
      const { code, stdout } = await ran(schemathesis as string, [
        ...[
          "--config-file",
          config,
          "run",
          `${own.http}/openapi.json`,
          "--no-color",
          "--seed",
          "1",
        ],
        ...["--phases", "examples,fuzzing", "--max-examples", "4"],
        ...["--exclude-checks", "positive_data_acceptance"],
        // An unloaded model answers with 503.
        ...["--exclude-path-regex", "/unload$"],
      ]);
      expect(code, stdout.slice(-4000)).toBe(0);
      expect(stdout).toMatch(/Tested: [12]\d/);
    },
  );

  it.skipIf(perfAnalyzer === null).each([
    ["gRPC", ["-i", "grpc"]],
    ["a gRPC stream", ["-i", "grpc", "--streaming"]],
    ["HTTP", ["-i", "http"]],
  ])("perf_analyzer measures the gateway over %s", async (_name, how) => {
    const url = how.includes("http") ? http() : own.deployment.gateway.grpc;
    // Three windows of a third of a second, however far they differ.
    const { stdout, stderr } = await ran(perfAnalyzer as string, [
      ...["-m", "vehicles", "-u", url, "--shape", "payload:1", "--string-data", "hello"],
      ...["-p", "350", "-r", "3", "-s", "999", "--concurrency-range", "2", ...how],
    ]);
    const count = Number(/Successful request count: (\d+)/.exec(stdout)?.[1]);
    expect(count, stdout + stderr).toBeGreaterThan(0);
    expect(stdout).toMatch(/Avg request latency: \d+ usec .*compute infer [1-9]\d* usec/);
  });
});
