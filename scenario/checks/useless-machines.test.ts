import { expect, test } from "vitest";
import { parseScenario } from "../parse.ts";
import { uselessMachines } from "./useless-machines.ts";

const SCENARIO = `
name: machines
pipelines: { p: { tasks: { read: { model: large }, tag: { model: hungry, after: [read] } } } }
models:
  large: { service: { distribution: deterministic, meanMs: 5 }, memoryMb: 4000 }
  hungry: { service: { distribution: deterministic, meanMs: 5 }, memoryMb: 1000, demand: { cpu: 4 } }
cluster:
  nodes:
    - { name: big, devices: { gpu: { slots: 2, memoryMb: 8000 } }, resources: { cpu: 8 } }
    - { name: one-fits, devices: { gpu: { slots: 2, memoryMb: 2000 } }, resources: { cpu: 4 } }
    - { name: small, devices: { gpu: { slots: 2, memoryMb: 2000 } }, resources: { cpu: 2 } }
    - { name: unlimited, devices: { gpu: 1 } }
  replicas: { read: 1, tag: 1 }
workload: { arrivals: poisson, ratePerS: 5, requests: 100 }
`;

test("machines on which no model fits are named with what they lack", () => {
  const { document } = parseScenario(SCENARIO, "s.yaml", () => "");
  expect(uselessMachines(document)).toEqual([
    'machines "small" can hold no replica: large takes 4000 MB, and a slot has 2000 MB; a batch of hungry takes 4 cpu of 2',
  ]);
});

test("a device that no model has a profile for holds none", () => {
  const { document } = parseScenario(SCENARIO, "s.yaml", () => "");
  const models = Object.fromEntries(
    Object.entries(document.models).map(([name, model]) => [
      name,
      { ...model, profile: { tpu: "tpu.json" } },
    ]),
  );
  const nodes = document.cluster.nodes?.slice(0, 1);
  const changed = { ...document, models, cluster: { ...document.cluster, nodes } };
  expect(uselessMachines(changed)).toEqual([
    'machines "big" can hold no replica: large has no profile for gpu; hungry has no profile for gpu',
  ]);
});
