/** Schedulers that refuse a system are issues of the sweep, found before anything runs. */
import { expect, test } from "vitest";
import { checkedSweep, expandValidation } from "../scenario/expand-sweep.ts";
import { parseScenario } from "../scenario/parse.ts";
import { issuesOf } from "../scenario/reading/issues.test-support.ts";
import { checkFit, checkScheduler } from "./check-scheduler.ts";

const BASE = `name: fit
pipelines:
  p: { slo: { latencyMs: 100 }, tasks: { a: { model: m }, b: { model: n, after: [a] } } }
models:
  m: { service: { distribution: deterministic, meanMs: 5 }, demand: { cpu: 2 } }
  n: { service: { distribution: deterministic, meanMs: 5 }, demand: { cpu: 1 } }
cluster:
  nodes: [{ name: x, devices: { gpu: 4 }, resources: { cpu: 8 } }]
  replicas: { a: 2, b: 2 }
workload: { arrivals: poisson, ratePerS: 20, durationS: 20 }
`;
const load = (rest: string) =>
  parseScenario(BASE + rest, "fit.yaml", () => "", {}, { checkScheduler });

test("a sweep is refused with every scheduler that refuses the scenario, each for all its reasons", () => {
  const loaded = load(`scheduler: fifo
sweep:
  scheduler:
    - fifo
    - clockwork
    - { controller: { policy: drf, weights: { q: 2 } } }
    - { preset: inferline, controller: { policy: inferline, replicas: { c: 1, d: 1 } } }
  workload.ratePerS: [10, 20]
`);
  const issues = issuesOf(() => checkedSweep(loaded, { checkScheduler, checkFit }));
  expect(
    issues.map(({ file, line, path, message }) => `${file}:${line} ${path} ${message}`),
  ).toEqual([
    expect.stringMatching(/^fit\.yaml:15 scheduler clockwork .*"m" demands .*and 1 more/),
    expect.stringMatching(/^fit\.yaml:15 scheduler clockwork .*"n" demands .*and 1 more/),
    expect.stringMatching(/^fit\.yaml:16 scheduler\.controller\.weights\.q /),
    expect.stringMatching(/^fit\.yaml:17 scheduler\.controller\.replicas\.c /),
    expect.stringMatching(/^fit\.yaml:17 scheduler\.controller\.replicas\.d /),
  ]);
});

test("the scenario's own scheduler and those of its validation are looked at too", () => {
  const alone = load("scheduler: shepherd\n");
  expect(issuesOf(() => checkedSweep(alone, { checkFit }))).toHaveLength(2);
  const validated = load("scheduler: fifo\nvalidation: { points: [{ scheduler: clockwork }] }\n");
  expect(checkedSweep(validated, { checkFit }).count).toBe(1);
  expect(issuesOf(() => expandValidation(validated, { checkFit }))).toHaveLength(2);
});

test("a model that is still to be calibrated leaves its scheduler unchecked", () => {
  const text = BASE.replace(
    "service: { distribution: deterministic, meanMs: 5 }, demand: { cpu: 2 }",
    "profile: m.json, implementation: { name: ssd-mobilenet-v2 }, demand: { cpu: 2 }",
  );
  const missing = () => {
    throw new Error("no such file");
  };
  const options = { exists: () => true, requireTimes: false };
  const loaded = parseScenario(`${text}scheduler: clockwork\n`, "fit.yaml", missing, {}, options);
  expect(checkedSweep(loaded, { checkFit }).count).toBe(1);
});
