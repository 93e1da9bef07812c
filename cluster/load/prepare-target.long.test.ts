/** Addresses of all kinds, against servers of the protocol that run. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { chain, writeScaling } from "../backends.test-support.ts";
import { deployed } from "../deployed.test-support.ts";
import { noOp, withDeployment } from "../deployment.test-support.ts";
import { NO_ACCESS } from "../security/client-access.ts";
import { parsed } from "./http-endpoint.test-support.ts";
import { loadReport } from "./load-report.ts";
import { prepareTarget, type TargetOptions } from "./prepare-target.ts";
import { runLoad } from "./run-load.ts";

const own = deployed({ document: noOp(), backend: "onnx" });
const directory = temporaryFolder("load");
const tensors = join(directory, "tensors.json");

beforeAll(() => {
  const inputs = [
    { name: "payload", datatype: "BYTES", shape: [1], data: ["cGljdHVyZQ=="] },
    { name: "upstream", datatype: "BYTES", shape: [1], data: ["{}"] },
  ];
  writeFileSync(tensors, JSON.stringify({ inputs }));
});

async function driven(
  url: string,
  models: string | Readonly<Record<string, number>>,
  more: Partial<TargetOptions> = {},
) {
  const shares = typeof models === "string" ? { [models]: 1 } : models;
  const workload = parsed({ arrivals: "closed", clients: 3, requests: 30 });
  const target = await prepareTarget({
    url,
    models: Object.keys(shares),
    seed: "1",
    connections: 16,
    access: NO_ACCESS,
    prompts: () => null,
    images: async () => [Buffer.from("a picture"), Buffer.from("another")],
    ...more,
  });
  const pipelines = Object.entries(shares).map(([name, share]) => ({ name, share }));
  const result = await runLoad({ target, pipelines, workload, seed: "1/0" });
  const { kind } = target;
  const streamed = target.kind === "grpc" && target.streamed;
  return { kind, streamed, report: loadReport(result, workload), errors: result.errors };
}

describe("a load", () => {
  it.each([
    ["by host and port", ""],
    ["by a URL", "grpc://"],
  ])("uses our gateway %s, by its streams", async (_what, scheme) => {
    const driving = await driven(`${scheme}${own.deployment.gateway.grpc}`, "echo");
    expect(driving).toMatchObject({ kind: "grpc", streamed: true, errors: [] });
    expect(driving.report.outcomes.completed).toBe(30);
    expect(driving.report.statuses).toEqual({ OK: 30 });
  });

  it("sends tensors or pictures, as each pipeline of our gateway takes them", async () => {
    writeScaling(directory, "double.onnx", "x", "y", 2);
    const { models, ...document } = chain({ a: { onnx: "double.onnx" }, b: { name: "no-op" } });
    const pipelines = {
      sums: { tasks: { a: { model: "a" } } },
      pictures: { tasks: { b: { model: "b" } } },
    };
    const both = scenarioSchema.parse({ ...document, models, pipelines });
    const inputs = { profiles: {}, folder: directory };
    await withDeployment({ document: both, inputs, backend: "onnx" }, async ({ gateway }) => {
      const shares = { sums: 0.5, pictures: 0.5 };
      for (const url of [gateway.grpc, gateway.http]) {
        const driving = await driven(url, shares);
        expect(driving.errors).toEqual([]);
        expect(driving.report.statuses).toEqual({ OK: 30 });
      }
    });
  });

  it("uses any server of the protocol over gRPC, with random tensors or those of a file", async () => {
    const [worker] = own.deployment.workers;
    const random = await driven(`grpc://${worker.address}`, worker.replica);
    expect(random.kind).toBe("grpc");
    // Random bytes are no JSON, and the worker says so, each time.
    expect(random.report.requests).toBe(30);
    const given = await driven(`grpc://${worker.address}`, worker.replica, { inputs: tensors });
    expect(given).toMatchObject({ kind: "grpc", errors: [] });
    const streamed = { inputs: tensors, streamed: true };
    const by = await driven(`grpc://${worker.address}`, worker.replica, streamed);
    expect(by.report.statuses).toEqual({ OK: 30 });
  });

  it("uses the protocol over HTTP, and any address with a body", async () => {
    const { http } = own.deployment.gateway;
    expect((await driven(http, "echo")).report.statuses).toEqual({ OK: 30 });
    const body = join(directory, "body.bin");
    writeFileSync(body, "a picture");
    const path = `${http}/v2/models/echo/infer`;
    const plain = await driven(path, "any", { body, contentType: "image/png" });
    expect(plain.report.statuses).toEqual({ OK: 30 });
    const health = await driven(`${http}/v2/health/live`, "any");
    expect(health.report.statuses).toEqual({ OK: 30 });
    const missing = await driven(`${http}/nowhere`, "any");
    expect(missing.report.statuses).toEqual({ "HTTP 404": 30 });
    expect(missing.errors[0]).toMatch(/there is no GET \/nowhere/);
  });

  it.each([
    ["not a url", {}, /--url is host:port/],
    ["grpc://HERE", { body: "x" }, /--body means nothing to the protocol over gRPC/],
    ["http://REST", { streamed: true }, /--stream means nothing to the protocol over HTTP/],
    ["http://REST/x", { inputs: "x" }, /--inputs means nothing to a plain address/],
    ["http://REST/x", { body: "/nowhere/b" }, /cannot read \/nowhere\/b/],
    ["grpc://HERE", { models: ["no-such"] }, /no-such/],
    ["http://REST", { models: ["no-such"] }, /no-such/],
    ["http://127.0.0.1:1", {}, /does not answer/],
  ] as const)("refuses %s %j with what is wrong", async (url, more, message) => {
    const { grpc, http } = own.deployment.gateway;
    const address = url.replace("HERE", grpc).replace("http://REST", http);
    await expect(driven(address, "echo", more)).rejects.toThrow(message);
  });
});
