import { expect, test } from "vitest";
import { scenarioSchema } from "./schema.ts";
import { simulatedOnlyTerms } from "./simulated-only.ts";

const termsOf = (sections: {
  readonly task?: object;
  readonly model?: object;
  readonly cluster?: object;
  readonly node?: object;
  readonly device?: object;
}) => {
  const { task, model, cluster, node, device } = sections;
  const service = { distribution: "exponential", meanMs: 10 };
  return simulatedOnlyTerms(
    scenarioSchema.parse({
      name: "test",
      pipelines: { p: { tasks: { serve: { model: "m", payloadBytes: 9, ...task } } } },
      models: { m: { service, ...model } },
      cluster: {
        replicas: { serve: 1 },
        nodes: [{ name: "host", devices: { cpu: { slots: 1, ...device } }, ...node }],
        ...cluster,
      },
      workload: { arrivals: "burst", requests: 1 },
    }),
  );
};

test("a plain scenario is realised whole, one with measured overheads too", () => {
  expect(termsOf({})).toEqual([]);
  expect(termsOf({ cluster: { network: { rttMs: 0 }, gateway: { arrivalUs: 0 } } })).toEqual([]);
  const measured = { network: { rttMs: 5 }, gateway: { arrivalUs: 5 }, overheadProfile: "o.json" };
  expect(termsOf({ cluster: measured })).toEqual([]);
  expect(termsOf({ model: { memoryMb: 10, loadMs: 5, residency: "always" } })).toEqual([]);
});

test.each([
  [{ device: { sharing: { kind: "processor-sharing" } } }, "device sharing"],
  [{ node: { contention: [1, 2] } }, "contention on nodes"],
  [{ model: { loadMs: 5 } }, "model loads and device memory"],
  [{ node: { power: { idleWatts: 1, busyWatts: 2 } } }, "power"],
  [{ device: { power: { idleWatts: 1, busyWatts: 2 } } }, "power"],
  [{ cluster: { network: { clientRttMs: 5 } } }, "assumed network and gateway costs"],
  [{ cluster: { gateway: { completionUs: 5 } } }, "assumed network and gateway costs"],
  [{ node: { gbps: 5 } }, "assumed network and gateway costs"],
  [{ task: { outputBytes: 5 } }, "bytes of edges and results"],
  [{ cluster: { gateway: { count: 2 } } }, "several gateways"],
])("%j is named", (sections, term) => {
  expect(termsOf(sections)).toEqual([term]);
});

test("zones and shared links are named beside the costs that they are made of", () => {
  const zones = [{ between: ["a", "b"], rttMs: 5 }];
  const network = { gbps: 1, links: "fair", zones };
  expect(termsOf({ cluster: { network } })).toEqual([
    "assumed network and gateway costs",
    "distances between zones",
    "shared links",
  ]);
});
