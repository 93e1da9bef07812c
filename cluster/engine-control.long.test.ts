/** Engines are added, drained and started anew as one replica each, while their sequences make tokens. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { stepProfileSchema } from "../scenario/schema/step-profile.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually, NO_INPUTS } from "./deployment.test-support.ts";
import { control, namesIn, replicaOf } from "./faults.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import type { InferStream } from "./protocol/client.ts";

/** One sequence runs at a time, and one waits. */
const document = scenarioSchema.parse({
  name: "engines",
  pipelines: {
    answer: { tasks: { write: { model: "writer", tokens: { prompt: 20, output: 40 } } } },
  },
  models: {
    writer: { tokens: { steps: "writer.json", maxSequences: 1 } },
  },
  cluster: { replicas: { write: 1 } },
  workload: { arrivals: "burst", requests: 1 },
});

const writer = stepProfileSchema.parse({
  schema: "tandem/step-profile@1",
  provenance: { kind: "imported", model: "writer", device: "", host: "", runtime: "", date: "" },
  times: { prefill: [5, 0, 0], decode: [5, 0, 0] },
});
const inputs = { ...NO_INPUTS, stepProfiles: { "writer.json": writer } };

const own = deployed({ document, inputs, backend: "replay", spareReplicas: 1 });
let stream: InferStream;
beforeAll(() => {
  stream = own.client.openStream({ ended: () => undefined });
});
afterAll(() => stream.close());

const change = (method: string, path = "", body?: object) =>
  control(own.deployment, method, path, body);
const names = () => namesIn(own.deployment);

function ask() {
  const parameters = { stream: { boolParam: true } };
  const request = { modelName: "answer", ...payloadRequest(Buffer.from("x")), id: "", parameters };
  const asked = { tokens: 0, ends: [] as string[] };
  stream.send(
    request,
    (error) => {
      asked.ends.push(error?.message ?? "answered");
    },
    ({ parameters: told }) => {
      asked.tokens += told?.tokens.int64Param ?? 0;
    },
  );
  return asked;
}

test("a second engine takes requests, the first leaves after its own, and one starts anew", async () => {
  expect(await names()).toEqual(["write-1"]);
  const scenario = await (await fetch(`${own.http}/v1/scenario`)).json();
  // A page simulates what it is told.
  expect(scenario).toMatchObject({ room: { write: 2 }, stepProfiles: { "writer.json": writer } });

  const added = await change("POST", "", { task: "write" });
  expect(added).toMatchObject({ status: 201, value: { name: "write-2", state: "up" } });
  expect(await names()).toEqual(["write-1", "write-2"]);
  expect(await change("POST", "", { task: "write" })).toMatchObject({ status: 400 });

  // Two places each: all four requests are on engines at once.
  const four = [ask(), ask(), ask(), ask()];
  expect(await eventually(() => four.some(({ tokens }) => tokens > 0))).toBe(true);
  expect(await change("DELETE", "/write-1")).toMatchObject({ status: 204 });
  expect(await names()).toEqual(["write-2"]);
  expect(await eventually(() => four.every(({ ends }) => ends.length === 1))).toBe(true);
  for (const asked of four) expect(asked).toEqual({ tokens: 40, ends: ["answered"] });
  expect((await replicaOf(own.deployment, "write-2")).jobs).toBe(2);

  const reset = await change("POST", "/write-2/reset");
  expect(reset).toMatchObject({ status: 200, value: { name: "write-2", state: "up", load: 0 } });
  // Its places are on one engine still: two at once take twice 40 iterations.
  const before = performance.now();
  const two = [ask(), ask()];
  expect(await eventually(() => two.every(({ ends }) => ends.length === 1))).toBe(true);
  expect(performance.now() - before).toBeGreaterThan(2 * 40 * 5);
  for (const asked of two) expect(asked).toEqual({ tokens: 40, ends: ["answered"] });
});
