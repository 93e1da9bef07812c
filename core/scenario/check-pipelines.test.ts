import { describe, test } from "vitest";
import { expectRefused, type Spoilt } from "./issues.test-support.ts";

const B = "b: { model: m, after: [a], when: { probability: 0.5 } }";

const WRONG: readonly Spoilt[] = [
  [
    "a cycle is shown as a way round",
    "a: { model: m }",
    "a: { model: m, after: [b] }",
    "pipelines.p.tasks.b.after.0",
    /a cycle: b -> a -> b|a cycle: a -> b -> a/,
    "b: {",
  ],
  [
    "a task after itself",
    "after: [a, b]",
    "after: [a, b, c]",
    "pipelines.p.tasks.c.after.2",
    /a cycle: c -> c/,
    "a, b, c",
  ],
  [
    "`after` names no task",
    "after: [a, b]",
    "after: [a, bb]",
    "pipelines.p.tasks.c.after.1",
    /no task is called "bb"/,
    "bb",
  ],
  [
    "`after` names a task twice",
    "after: [a, b]",
    "after: [a, a]",
    "pipelines.p.tasks.c.after.1",
    /"a" is named twice/,
    "a, a",
  ],
  [
    "a join of more than there are",
    "after: [a, b]",
    "after: [a, b], join: { atLeast: 3 }",
    "pipelines.p.tasks.c.join.atLeast",
    /expected at most 2.*got 3/,
    "atLeast",
  ],
  [
    "a join of nothing",
    "a: { model: m }",
    "a: { model: m, join: first }",
    "pipelines.p.tasks.a.join",
    /nothing to join/,
    "first",
  ],
  [
    "a condition on the output of nothing",
    "a: { model: m }",
    "a: { model: m, when: { contains: car, probability: 1 } }",
    "pipelines.p.tasks.a.when.contains",
    /no output to look in for "car"/,
    "car",
  ],
  [
    "a cache that skips no task",
    B,
    "b: { model: m, after: [a], cache: { hitRatio: 0.1, skips: [cc] } }",
    "pipelines.p.tasks.b.cache.skips.0",
    /no task is called "cc"/,
    "cc",
  ],
  [
    "a cache that skips what comes before it",
    B,
    "b: { model: m, after: [a], cache: { hitRatio: 0.1, skips: [c, a] } }",
    "pipelines.p.tasks.b.cache.skips.1",
    /cannot skip "a": it does not come after "b"/,
    "skips",
  ],
  [
    "a pipeline without tasks",
    "  q:\n    tasks:\n      c: { model: n }",
    "  q:\n    tasks: {}",
    "pipelines.q.tasks",
    /no task/,
    "tasks: {}",
  ],
  [
    "a model that is not there",
    "a: { model: m }",
    "a: { model: mm }",
    "pipelines.p.tasks.a.model",
    /no model is called "mm"/,
    "mm",
  ],
  [
    "a model without times",
    "m: { service: { distribution: deterministic, meanMs: 80 } }",
    "m: {}",
    "models.m",
    /expected `profile` or `service`/,
    "m: {}",
  ],
  [
    "a model with both kinds of times",
    "n: { profile: n.json }",
    "n: { profile: n.json, service: { distribution: exponential, meanMs: 3 } }",
    "models.n",
    /both `profile` and `service`/,
    "n.json",
  ],
  [
    "a shared task with two models",
    "      c: { model: n }\n",
    "      c: { model: m }\n",
    "pipelines.q.tasks.c.model",
    /shares replicas with pipeline p: expected the same model, n, got m/,
    "c: { model: m }",
  ],
  [
    "a shared task with two payloads",
    "      c: { model: n }\n",
    "      c: { model: n, payloadBytes: 5 }\n",
    "pipelines.q.tasks.c.payloadBytes",
    /expected the same payloadBytes, 0, got 5/,
    "payloadBytes",
  ],
  [
    "a held pipeline that shares",
    "  q:\n",
    "  q:\n    discipline: pipeline-held\n",
    "pipelines.q.tasks.c",
    /q is pipeline-held and may not share/,
    "      c: { model: n }",
  ],
];

describe("pipelines and their models are checked", () => {
  test.each(WRONG)("%s", expectRefused);
});
