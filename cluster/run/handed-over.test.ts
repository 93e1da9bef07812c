/** Which engine keeps a sequence for another, and when it is freed. */
import { expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { NO_INPUTS } from "../deployment.test-support.ts";
import { keptParameters } from "../protocol/messages.ts";
import type { StartedBatch } from "./batch.ts";
import { HandedOver } from "./handed-over.ts";
import type { LiveRequest } from "./live-request.ts";

const [steps, tokens] = [
  { prefill: [1, 0, 0], decode: [1, 0, 0] },
  { prompt: 9, output: 9 },
];
const system = compileSystem(
  scenarioSchema.parse({
    name: "apart",
    pipelines: {
      p: {
        tasks: {
          read: { model: "m", tokens },
          write: { model: "m", after: ["read"], tokens: { from: "read" } },
        },
      },
    },
    models: { m: { tokens: { steps, maxSequences: 1 } } },
    cluster: { replicas: { read: 1, write: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  }),
  NO_INPUTS,
);
const [READ, WRITE] = [0, 1];
const request = { pipeline: 0 } as LiveRequest;
const batch = (task: number, replica: number): StartedBatch =>
  ({ replica, requests: [request], tasks: [task] }) as unknown as StartedBatch;
const keeps = (kept: number) => ({
  modelName: "read-1/1",
  outputs: [],
  parameters: keptParameters(kept),
});
const free = (replica: number, kept: number | null) => ({ kind: "free", replica, kept });

test("an engine keeps a sequence until the next one has room for it", () => {
  const handedOver = new HandedOver(system);
  expect(handedOver.served(batch(READ, 1), keeps(7), true)).toEqual([]);
  expect(handedOver.taken(batch(READ, 0))).toBeNull();
  expect(handedOver.taken(batch(WRITE, 2))).toMatchObject(free(1, 7));
  expect(handedOver.taken(batch(WRITE, 2))).toBeNull();
  expect(handedOver.ended(request)).toEqual([]);
});

test("nothing is kept for a request that has ended, nor of a place that is lost", () => {
  const handedOver = new HandedOver(system);
  expect(handedOver.served(batch(READ, 0), keeps(3), false)).toMatchObject([free(0, 3)]);
  handedOver.served(batch(READ, 1), keeps(4), true);
  expect(handedOver.ended(request)).toMatchObject([free(1, 4)]);
  handedOver.served(batch(READ, 1), keeps(5), true);
  handedOver.lost(1);
  expect(handedOver.taken(batch(WRITE, 2))).toBeNull();
  // The gateway frees it when the place comes again.
  expect([handedOver.joined(1), handedOver.joined(2)]).toEqual([[free(1, null)], []]);
});
