import { expect, test } from "vitest";
import { checkModels } from "../../scenario/checks/check-models.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { Profile } from "../../scenario/schema/profile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";

const profile: Profile = {
  schema: "tandem/profile@2",
  kind: "service",
  provenance: {
    kind: "measured",
    model: "m",
    modelFiles: [],
    device: "cpu",
    host: "h",
    runtime: "r",
    date: "2020-01-01",
  },
  load: { ms: 123.4, memoryMb: 50 },
  batches: [{ batch: 1, samples: 9, meanUs: 10, halfWidth95Us: 1, quantilesUs: [10] }],
};

const scenario = (model: object) =>
  scenarioSchema.parse({
    name: "s",
    pipelines: { p: { tasks: { a: { model: "m" } } } },
    models: { m: model },
    cluster: { replicas: { a: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });

const issuesOf = (model: object, read: Profile) => [
  ...checkModels(scenario(model), {
    profiles: { "m.json": read },
    requireTimes: true,
    file: "s.yaml",
  }),
];

test("a measured load is the cold start of the model; a number is itself", () => {
  const inputs = { profiles: { "m.json": profile } };
  const loadUs = (loadMs: unknown) =>
    compileSystem(scenario({ profile: "m.json", loadMs }), inputs).models[0].loadUs;
  expect([loadUs("measured"), loadUs(7), loadUs(undefined)]).toEqual([123_400, 7000, 0]);
});

test("a measured load needs a profile that has one", () => {
  const { load, ...without } = profile;
  expect(load).toBeDefined();
  expect(issuesOf({ profile: "m.json", loadMs: "measured" }, profile)).toEqual([]);
  expect(issuesOf({ profile: "m.json", loadMs: "measured" }, without)).toMatchObject([
    { path: "models.m.loadMs", message: "m.json has no measured load" },
  ]);
  const assumed = { service: { distribution: "exponential", meanMs: 5 }, loadMs: "measured" };
  expect(issuesOf(assumed, profile)).toMatchObject([{ message: "measured needs one `profile`" }]);
});
