/** Scenarios whose tasks have variants: good ones, and the issues of bad ones. */
import { expect, test } from "vitest";
import { compileSystem } from "./compile/compile.ts";
import { parseScenario } from "./parse.ts";
import { issuesOf, lineWith, readerOf, replaced } from "./reading/issues.test-support.ts";

const GOOD = `name: good
pipelines:
  p:
    discipline: per-task
    tasks:
      detect: { variants: [small, large] }
      plate: { model: reader, after: [detect] }
  q:
    tasks:
      detect: { variants: [small, large] }
models:
  small: { service: { distribution: deterministic, meanMs: 10 }, accuracy: 0.8 }
  large: { service: { distribution: deterministic, meanMs: 40 }, accuracy: 0.9 }
  reader: { service: { distribution: deterministic, meanMs: 5 } }
cluster:
  nodes: [{ name: gpu, devices: { card: 4 } }]
  replicas: { detect@small: 2, detect@large: 1, plate: 1 }
  placement: [{ task: detect@large, node: gpu, replicas: 1 }]
scheduler: { perTask: { detect: { batching: { policy: size, maxBatch: 4 } } } }
workload: { arrivals: poisson, ratePerS: 20, durationS: 60 }
`;

const parse = (text: string) => parseScenario(text, "good.yaml", readerOf({}));

test("variants are pools of their own, between those of the tasks around", () => {
  const { document } = parse(GOOD);
  const system = compileSystem(document, { profiles: {} });
  expect(system.pools.map(({ name, task, model, count }) => [name, task, model, count])).toEqual([
    ["detect@small", "detect", "small", 2],
    ["detect@large", "detect", "large", 1],
    ["plate", "plate", "reader", 1],
  ]);
  expect(system.pipelines[0].tasks.map(({ pool, variants }) => [pool, variants])).toEqual([
    [0, [0, 1]],
    [2, [2]],
  ]);
  expect(system.replicas.map(({ name }) => name)).toEqual([
    ...["detect@small-1", "detect@small-2", "detect@large-1", "plate-1"],
  ]);
});

test.each([
  [
    "neither a model nor variants",
    "{ model: reader, after",
    "{ after",
    "pipelines.p.tasks.plate",
    /neither `model` nor|neither `model` and/,
    "plate: {",
  ],
  [
    "a model and variants",
    "{ model: reader, after",
    "{ model: reader, variants: [small], after",
    "pipelines.p.tasks.plate",
    /both `model` and `variants`/,
    "plate: {",
  ],
  [
    "a variant that is no model",
    "detect: { variants: [small, large] }\n      plate",
    "detect: { variants: [small, larg] }\n      plate",
    "pipelines.p.tasks.detect.variants.1",
    /no model is called "larg"/,
    "larg]",
  ],
  [
    "a variant twice",
    "detect: { variants: [small, large] }\n      plate",
    "detect: { variants: [small, small] }\n      plate",
    "pipelines.p.tasks.detect.variants.1",
    /"small" is named twice/,
    "small, small",
  ],
  [
    "a variant without accuracy",
    "meanMs: 40 }, accuracy: 0.9 }",
    "meanMs: 40 } }",
    "pipelines.p.tasks.detect.variants.1",
    /"large" has no accuracy/,
    "detect: {",
  ],
  [
    "an accuracy above 1",
    "accuracy: 0.9",
    "accuracy: 90",
    "models.large.accuracy",
    /1/,
    "accuracy: 90",
  ],
  [
    "an accuracy of imputed answers alone",
    "meanMs: 5 } }",
    "meanMs: 5 }, imputedAccuracy: 0.1 }",
    "models.reader.imputedAccuracy",
    /no accuracy of its own/,
    "imputedAccuracy",
  ],
  [
    "a real model that can be stopped",
    "meanMs: 5 } }",
    "meanMs: 5 }, stoppable: true, implementation: { name: no-op } }",
    "models.reader.stoppable",
    /a real model's run cannot be stopped/,
    "stoppable",
  ],
  [
    "an ensemble without variants",
    "plate: { model: reader, after",
    "plate: { model: reader, ensemble: {}, after",
    "pipelines.p.tasks.plate.ensemble",
    /an ensemble needs `variants`/,
    "ensemble",
  ],
  [
    "an ensemble that only one of two pipelines has",
    "  q:\n    tasks:\n      detect: { variants: [small, large] }",
    "  q:\n    tasks:\n      detect: { variants: [small, large], ensemble: { minConfidence: 0.5 } }",
    "pipelines.q.tasks.detect.ensemble",
    /expected the same ensemble, none, got/,
    "minConfidence",
  ],
  [
    "no replica of any variant",
    "detect@small: 2, detect@large: 1,",
    "detect@small: 0, detect@large: 0,",
    "cluster.replicas.detect@small",
    /"detect" needs at least 1 replica of detect@small or detect@large/,
    "replicas: {",
  ],
  [
    "replicas of the task itself",
    "detect@small: 2,",
    "detect: 2, detect@small: 2,",
    "cluster.replicas.detect",
    /has variants, each with replicas of its own/,
    "replicas: {",
  ],
  [
    "replicas of a variant that there is not",
    "detect@small: 2,",
    "detect@tiny: 2, detect@small: 2,",
    "cluster.replicas.detect@tiny",
    /no task is called "detect@tiny"/,
    "replicas: {",
  ],
  [
    "other variants in another pipeline",
    "  q:\n    tasks:\n      detect: { variants: [small, large] }",
    "  q:\n    tasks:\n      detect: { variants: [large, small] }",
    "pipelines.q.tasks.detect.variants",
    /expected the same variants/,
    "[large, small]",
  ],
  [
    "a held chain",
    "discipline: per-task",
    "discipline: pipeline-held",
    "pipelines.p.tasks.detect.variants",
    /holds one chain/,
    "detect: {",
  ],
  [
    "policies for a variant that there is not",
    "perTask: { detect:",
    "perTask: { detect@tiny:",
    "scheduler.perTask.detect@tiny",
    /no task is called/,
    "perTask",
  ],
])("%s is refused at its line", (_, from, to, path, message, part) => {
  const text = replaced(GOOD, from, to);
  const issues = issuesOf(() => parse(text));
  const issue = issues.find((one) => one.path === path);
  expect(issue, JSON.stringify(issues)).toBeDefined();
  expect(issue?.message).toMatch(message);
  expect(issue).toMatchObject({ line: lineWith(text, part) });
});
