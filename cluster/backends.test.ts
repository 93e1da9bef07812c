import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";
import { writeOnnx } from "../models/onnx-writer.ts";
import { floatsOf, floatTensor } from "../models/tensor.ts";
import { eventually, isRunning, withDeployment } from "./deployment.test-support.ts";
import type { Deployment } from "./deployment.ts";
import { bytesTensor, elementsOf } from "./protocol/bytes-tensor.ts";
import { InferenceClient } from "./protocol/client.ts";
import { rawTensor } from "./protocol/job-tensors.ts";
import type { ModelInferResponse } from "./protocol/messages.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-backends-"));
afterAll(() => rmSync(folder, { recursive: true }));

const assumed = { service: { distribution: "deterministic", meanMs: 1 } };
const inputs = { profiles: {}, folder };

/** An ONNX file of `output` = `input` × factor, rows of three, any number of rows. */
function writeScaling(file: string, input: string, output: string, factor: number): void {
  const onnx = writeOnnx({
    name: "scaling",
    nodes: [{ op: "Mul", inputs: [input, "factor"], output }],
    constants: [{ name: "factor", shape: [1], data: Float32Array.of(factor) }],
    inputs: [{ name: input, shape: ["rows", 3] }],
    outputs: [{ name: output, shape: ["rows", 3] }],
  });
  writeFileSync(join(folder, file), onnx);
}

/** One pipeline `p` of tasks in a row, each run by the implementation given for it. */
function chain(tasks: Readonly<Record<string, object>>, overrides: object = {}): ScenarioDocument {
  const names = Object.keys(tasks);
  const entries = names.map((name, i) => [
    name,
    { model: name, after: i === 0 ? [] : [names[i - 1]] },
  ]);
  const models = names.map((name) => [name, { ...assumed, implementation: tasks[name] }]);
  return scenarioSchema.parse({
    name: "backends",
    pipelines: { p: { tasks: Object.fromEntries(entries) } },
    models: Object.fromEntries(models),
    cluster: { replicas: Object.fromEntries(names.map((name) => [name, 1])) },
    workload: { arrivals: "burst", requests: 1 },
    ...overrides,
  });
}

async function sendTensor(
  address: string,
  model: string,
  x: readonly number[],
  outputs?: readonly { name: string }[],
): Promise<ModelInferResponse> {
  const client = new InferenceClient(address);
  const { raw, ...tensor } = floatTensor("x", [x.length / 3, 3], Float32Array.from(x));
  const request = { modelName: model, inputs: [tensor], rawInputContents: [raw] };
  try {
    return await client.inferAsync(outputs === undefined ? request : { ...request, outputs });
  } finally {
    client.close();
  }
}

function floats(response: ModelInferResponse, name: string): readonly number[] {
  const at = response.outputs.findIndex((tensor) => tensor.name === name);
  const tensor = rawTensor(response.outputs[at], response.rawOutputContents?.[at]);
  return [...floatsOf(tensor)];
}

async function sendPayload(address: string, model: string, text: string): Promise<string> {
  const client = new InferenceClient(address);
  const { tensor, raw } = bytesTensor("payload", [Buffer.from(text)]);
  const outputs = [{ name: "output" }];
  const request = { modelName: model, inputs: [tensor], outputs, rawInputContents: [raw] };
  try {
    const answer = await client.inferAsync(request);
    const [output] = elementsOf(answer.outputs, answer.rawOutputContents ?? [], "output") ?? [];
    return Buffer.from(output).toString();
  } finally {
    client.close();
  }
}

describe("an ONNX file of tensors", () => {
  it("takes a request's tensors, hands its own to the next task, and answers with the last", async () => {
    writeScaling("double.onnx", "x", "y", 2);
    writeScaling("tenfold.onnx", "y", "z", 10);
    const document = chain({ double: { onnx: "double.onnx" }, tenfold: { onnx: "tenfold.onnx" } });
    await withDeployment({ document, inputs, backend: "onnx" }, async (deployment) => {
      const { grpc } = deployment.gateway;
      const both = await sendTensor(grpc, "p", [1, 2, 3, 4, 5, 6]);
      expect(both.outputs.map(({ name, shape }) => [name, shape])).toEqual([["z", [2, 3]]]);
      expect(floats(both, "z")).toEqual([20, 40, 60, 80, 100, 120]);
      const asked = [{ name: "output" }, { name: "z" }];
      const chosen = await sendTensor(grpc, "p", [1, 1, 1], asked);
      expect(chosen.outputs.map(({ name }) => name)).toEqual(["output", "z"]);
      await expect(sendTensor(grpc, "p", [1, 1, 1], [{ name: "zz" }])).rejects.toMatchObject({
        code: "invalid-input",
        message: /no output "zz"/,
      });
      const [worker] = deployment.workers;
      const direct = await sendTensor(worker.address, "double-1", [1, 2, 3]);
      expect(floats(direct, "y")).toEqual([2, 4, 6]);
      const client = new InferenceClient(worker.address);
      const { inputs: taken, platform } = await client.modelMetadata({ name: "double-1" });
      client.close();
      expect(taken).toMatchObject([{ name: "x", datatype: "FP32", shape: [-1, 3] }]);
      expect(platform).toBe("onnxruntime_onnx");
    });
  });
});

const fingerprints = chain({ only: { name: "fingerprint" } });

describe("a model on another server", () => {
  it("is another Tandem's worker, or its gateway, and its end is seen", async () => {
    let other: Deployment | undefined;
    await withDeployment({ document: fingerprints, backend: "onnx" }, async (there) => {
      other = there;
      const [{ address, replica }] = there.workers;
      const worker = chain({ only: { external: { address, model: replica } } });
      const expected = outputsOf(await sendPayload(there.gateway.grpc, "p", "hello")).only;
      await withDeployment({ document: worker, backend: "external" }, async (here) => {
        const answer = outputsOf(await sendPayload(here.gateway.grpc, "p", "hello"));
        expect(answer.only).toEqual(expected);
      });
      const gateway = chain({ only: { external: { address: there.gateway.grpc, model: "p" } } });
      await withDeployment({ document: gateway, backend: "external" }, async (here) => {
        const answer = outputsOf(await sendPayload(here.gateway.grpc, "p", "hello"));
        expect(answer.only.value).toMatchObject({ only: expected });
        await there.stop();
        const client = new InferenceClient(here.workers[0].address);
        const gone = await eventually(
          async () => (await client.modelReady({ name: "only-1" })).ready !== true,
        );
        client.close();
        expect(gone).toBe(true);
      });
    });
    expect(other).toBeDefined();
  });

  it("that is not there is told with its address", async () => {
    const document = chain({ only: { external: { address: "127.0.0.1:9", model: "m" } } });
    const started = withDeployment({ document, backend: "external" }, async () => undefined);
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: /model only did not load.*127\.0\.0\.1:9/,
    });
  });
});

/** A server of the protocol that shares no code with ours: it upper-cases, and tells its process. */
function writeServer(): string {
  const manifest = JSON.stringify(join(process.cwd(), "package.json"));
  const proto = JSON.stringify(join(process.cwd(), "cluster/proto/inference.proto"));
  writeFileSync(
    join(folder, "server.cjs"),
    `const load = module.require("node:module").createRequire(${manifest});
const grpc = load("@grpc/grpc-js");
const definition = load("@grpc/proto-loader").loadSync(${proto});
const { GRPCInferenceService } = grpc.loadPackageDefinition(definition).inference;
const spec = (name) => [{ name, datatype: "BYTES", shape: [-1] }];
const bytes = (text) => {
  const raw = Buffer.alloc(4 + text.length, text, "latin1");
  raw.write(text, 4, "latin1");
  raw.writeUInt32LE(text.length, 0);
  return raw;
};
const server = new grpc.Server();
server.addService(GRPCInferenceService.service, {
  ServerMetadata: (_, answer) => answer(null, { name: "script", version: "1" }),
  ModelReady: (_, answer) => answer(null, { ready: true }),
  ModelMetadata: (_, answer) =>
    answer(null, { name: "upper", versions: ["1"], platform: "script", inputs: spec("text"), outputs: spec("upper") }),
  ModelInfer: ({ request }, answer) => {
    const text = request.rawInputContents[0].subarray(4).toString().toUpperCase();
    answer(null, {
      modelName: "upper",
      outputs: [{ name: "upper", datatype: "BYTES", shape: [1] }],
      rawOutputContents: [bytes(text + " by " + process.pid)],
    });
  },
});
const address = "127.0.0.1:" + process.argv[2];
server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
`,
  );
  return "server.cjs";
}

interface Told {
  readonly only: {
    readonly labels: readonly string[];
    readonly value: { readonly tensors: readonly { readonly data: readonly string[] }[] };
  };
}

function outputsOf(text: string): Told {
  return (JSON.parse(text) as { outputs: Told }).outputs;
}

async function upper(deployment: Deployment, text: string): Promise<[string, number]> {
  const answer = outputsOf(await sendPayload(deployment.gateway.grpc, "p", text));
  const [said, pid] = answer.only.value.tensors[0].data[0].split(" by ");
  return [said, Number(pid)];
}

describe("a command that serves a model", () => {
  const run = [process.execPath, writeServer(), "{port}"];
  const document = chain({ only: { command: { run, model: "upper" } } });

  it("is started, started again when it dies, and stopped with its deployment", async () => {
    let last = 0;
    await withDeployment({ document, inputs, backend: "process" }, async (deployment) => {
      const [said, pid] = await upper(deployment, "abc");
      expect(said).toBe("ABC");
      process.kill(pid, "SIGKILL");
      const isBack = async (): Promise<boolean> => {
        const [, again] = await upper(deployment, "x").catch(() => ["", pid] as const);
        last = again;
        return again !== pid;
      };
      expect(await eventually(isBack, 20_000)).toBe(true);
      expect(isRunning(last)).toBe(true);
    });
    expect(await eventually(() => !isRunning(last))).toBe(true);
  });

  it("ends with its worker, also when that is killed at once", async () => {
    await withDeployment(
      { document, inputs, backend: "process", restart: false },
      async (deployment) => {
        const [, pid] = await upper(deployment, "abc");
        process.kill(deployment.workers[0].pid, "SIGKILL");
        expect(await eventually(() => !isRunning(pid))).toBe(true);
      },
    );
  });

  it("that fails is told with its last words", async () => {
    const failing = ["node", "-e", "console.error('no weights here'); process.exit(3)"];
    const bad = chain({ only: { command: { run: failing, model: "m" } } });
    const started = withDeployment({ document: bad, backend: "process" }, async () => undefined);
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: /exit code 3/,
      hint: expect.stringContaining("no weights here"),
    });
  });
});

const MLSERVER = join(process.env.TANDEM_CLIENTS ?? "/nowhere", "venv/bin/mlserver");
const hasMlServer = existsSync(MLSERVER);
if (!hasMlServer) console.log(`skipped: no MLServer at ${MLSERVER} (TANDEM_CLIENTS)`);

describe("MLServer", () => {
  it.skipIf(!hasMlServer)(
    "serves a model for a pipeline of tensors",
    { timeout: 60_000 },
    async () => {
      const dir = mkdtempSync(join(folder, "mlserver-"));
      writeFileSync(
        join(dir, "triple.py"),
        `from mlserver import MLModel, types
class Triple(MLModel):
    async def load(self):
        return True
    async def predict(self, payload):
        x = payload.inputs[0]
        data = [3 * v for v in x.data]
        return types.InferenceResponse(model_name=self.name, outputs=[
            types.ResponseOutput(name="y", datatype="FP32", shape=x.shape, data=data)])
`,
      );
      const tensor = (name: string) => [{ name, datatype: "FP32", shape: [-1, 3] }];
      const model = {
        name: "triple",
        implementation: "triple.Triple",
        inputs: tensor("x"),
        outputs: tensor("y"),
      };
      writeFileSync(join(dir, "model-settings.json"), JSON.stringify(model));
      const server = {
        http_port: 18880,
        grpc_port: 18881,
        metrics_port: 18882,
        host: "127.0.0.1",
        parallel_workers: 0,
      };
      writeFileSync(join(dir, "settings.json"), JSON.stringify(server));
      const child = spawn(MLSERVER, ["start", dir], { cwd: dir, stdio: "ignore" });
      try {
        const client = new InferenceClient("127.0.0.1:18881");
        const isUp = () =>
          client.modelReady({ name: "triple" }).then(
            ({ ready }) => ready === true,
            () => false,
          );
        expect(await eventually(isUp, 40_000)).toBe(true);
        client.close();
        const document = chain({
          only: { external: { address: "127.0.0.1:18881", model: "triple" } },
        });
        await withDeployment({ document, backend: "external" }, async (deployment) => {
          const answer = await sendTensor(deployment.gateway.grpc, "p", [1, 2, 3, 4, 5, 6]);
          expect(floats(answer, "y")).toEqual([3, 6, 9, 12, 15, 18]);
        });
      } finally {
        child.kill("SIGTERM");
        await eventually(() => child.exitCode !== null || child.signalCode !== null, 10_000);
      }
    },
  );
});
