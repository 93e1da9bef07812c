import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expandSweep } from "./expand-sweep.test-support.ts";
import { expandValidation, type SweepOptions } from "./expand-sweep.ts";
import { parseScenario } from "./parse.ts";
import { type Files, issuesOf, readerOf } from "./reading/issues.test-support.ts";
import { scenarioSchema } from "./schema/scenario.ts";
import { shortLabels } from "./sweep/parameter-columns.ts";
import { SCENARIO_TEMPLATE } from "./template.test-support.ts";

const BASE = SCENARIO_TEMPLATE.replace(/^# Every combination[\s\S]*/m, "")
  .replace("count: 8, devices: { gpu: 1 }", "count: 2, devices: { gpu: 99 }")
  .replace("{ detect: 3, plate: 1 }", "{ detect: 4, plate: 2 }");

function load(rest: string, files: Files = {}) {
  return parseScenario(`${BASE}${rest}\n`, "s.yaml", readerOf(files));
}

const expand = (rest: string, options?: SweepOptions) => expandSweep(load(rest), options);
const idsOf = (rest: string) => expand(rest).map((configuration) => configuration.id);

describe("a grid", () => {
  test("runs in the order of the file, the last path fastest", () => {
    const rest = "sweep:\n  scheduler: [fifo, edf]\n  cluster.replicas.detect: [1, 4]";
    expect(idsOf(rest)).toEqual([
      "scheduler=fifo,replicas.detect=1",
      "scheduler=fifo,replicas.detect=4",
      "scheduler=edf,replicas.detect=1",
      "scheduler=edf,replicas.detect=4",
    ]);
    const last = expand(rest)[3];
    expect(last?.parameters).toEqual({ scheduler: "edf", "cluster.replicas.detect": 4 });
    expect(last?.document.scheduler).toBe("edf");
    expect(last?.document.cluster.replicas).toEqual({ detect: 4, plate: 2 });
    expect(last?.document.sweep).toBeUndefined();
  });

  test("has as many configurations as the product of its axes, all different and all valid", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 });
    const paths = ["workload.ratePerS", "cluster.replicas.detect", "run.seed", "workload.warmupS"];
    fc.assert(
      fc.property(sizes, (counts) => {
        const axes = counts.map((n, i) => `  ${paths[i]}: { from: 1, to: ${n}, step: 1 }`);
        const all = expand(`sweep:\n${axes.join("\n")}`);
        expect(all).toHaveLength(counts.reduce((product, n) => product * n, 1));
        expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
        for (const { document } of all) expect(scenarioSchema.parse(document)).toEqual(document);
      }),
      { numRuns: 20 },
    );
  });

  test("without a sweep is one configuration called base", () => {
    expect(expand("")).toMatchObject([{ id: "base", parameters: {} }]);
  });

  test("ranges include their end and do not drift", () => {
    const values = (range: string) =>
      expand(`sweep: { workload.ratePerS: ${range} }`).map(
        ({ parameters }) => parameters["workload.ratePerS"],
      );
    expect(values("{ from: 0.1, to: 0.7, step: 0.1 }")).toEqual([
      0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7,
    ]);
    expect(values("{ from: 10, to: 45, step: 10 }")).toEqual([10, 20, 30, 40]);
    expect(values("{ from: 1e-3, to: 3e-3, step: 1e-3 }")).toEqual([0.001, 0.002, 0.003]);
    expect(values("{ from: 5, to: 5, step: 1 }")).toEqual([5]);
  });

  test("reaches list entries by number, and grows what a path goes into", () => {
    const rest =
      "sweep:\n  cluster.nodes.0.count: [1, 3]\n  scheduler.batching.maxBatch: [2]\n" +
      "  scheduler: [{ batching: size-or-timeout }]\n  cluster.nodes.0.devices.gpu.speed: [2]";
    const [first, second] = expand(rest);
    expect(first?.document.cluster.nodes?.[0]).toMatchObject({
      count: 1,
      devices: { gpu: { slots: 99, speed: 2, shared: false } },
    });
    expect(second?.document.cluster.nodes?.[0]?.count).toBe(3);
    expect(first?.document.scheduler).toEqual({
      batching: { policy: "size-or-timeout", maxBatch: 2 },
    });
  });

  test("leaves the loaded scenario as it was", () => {
    const loaded = load("sweep: { cluster.replicas.detect: [1, 2], scheduler.routing: [a] }");
    const before = structuredClone(loaded);
    expandSweep(loaded);
    expect(loaded).toEqual(before);
  });
});

describe("points", () => {
  test("give combinations that are no grid", () => {
    const rest = `sweep:
  points:
    - { workload.ratePerS: 1, cluster.replicas.detect: 2 }
    - { workload.ratePerS: 5 }`;
    const all = expand(rest);
    expect(all.map(({ id }) => id)).toEqual(["ratePerS=1,replicas.detect=2", "ratePerS=5"]);
    expect(all[1]?.document.cluster.replicas.detect).toBe(4);
  });
});

describe("files that only a sweep names", () => {
  test("sections are read, and tell configurations apart by their path", () => {
    const rest = "sweep: { cluster: [a.yaml, b.yaml] }";
    const files = {
      "a.yaml": "replicas: { detect: 1, plate: 1 }",
      "b.yaml": "replicas: {plate: 1}",
    };
    const [issue] = issuesOf(() => expandSweep(load(rest, files)));
    expect(issue?.message).toMatch(
      /"detect" needs at least 1 replica .*\(configuration cluster=b.yaml\)/,
    );
    const good = expandSweep(
      load(rest, { ...files, "b.yaml": "replicas: { detect: 9, plate: 1 }" }),
    );
    expect(good.map(({ document }) => document.cluster.replicas.detect)).toEqual([1, 9]);
    expect(good.map(({ id }) => id)).toEqual(["cluster=a.yaml", "cluster=b.yaml"]);
  });

  test("traces are read", () => {
    const rest = `sweep:
  workload: [{ arrivals: trace, file: t.csv, column: at }, { arrivals: burst, requests: 3 }]`;
    const loaded = load(rest, { "t.csv": "at\n0\n2\n" });
    expect(loaded.traces).toEqual({ "t.csv": [0, 2e6] });
    expect(expandSweep(loaded)).toHaveLength(2);
  });
});

describe("ids", () => {
  test("are the shortest clear ends of paths", () => {
    const paths = [
      "cluster.replicas.detect",
      "workload.ratePerS",
      "models.a.service.meanMs",
      "models.b.service.meanMs",
      "cluster.nodes.0.count",
      "scheduler",
    ];
    expect([...shortLabels(paths).values()]).toEqual([
      "replicas.detect",
      "ratePerS",
      "models.a.service.meanMs",
      "models.b.service.meanMs",
      "count",
      "scheduler",
    ]);
  });

  test("show objects in short, and cut long ones without making two alike", () => {
    const policies = (n: number) =>
      `{ routing: power-of-two, ordering: edf, batching: { policy: timed, maxBatch: ${n} } }`;
    const [one, two] = idsOf(`sweep: { scheduler: [${policies(4)}, ${policies(8)}] }`);
    expect(one).toMatch(/^scheduler=routing:power-of-two\+ordering:edf\+/);
    expect(one?.length).toBeLessThan(60);
    expect(one).not.toBe(two);
    expect(idsOf("sweep: { scheduler.batching: [{ policy: size, maxBatch: 8 }] }")).toEqual([
      "batching=size+maxBatch:8",
    ]);
  });
});

describe("what a sweep gets wrong", () => {
  test("is reported once, with the line of the swept value and the configuration", () => {
    const rest =
      "sweep:\n  run.seed: [1, 2]\n  cluster.replicas.detect:\n    - 3\n    - -1\n    - 999";
    const loaded = load(rest);
    const text = `${BASE}${rest}`;
    const issues = issuesOf(() => expandSweep(loaded));
    const lineOf = (part: string) => text.split("\n").indexOf(part) + 1;
    expect(issues).toHaveLength(2);
    expect(issues[0]).toMatchObject({ path: "cluster.replicas.detect", line: lineOf("    - -1") });
    expect(issues[0]?.message).toBe(
      "expected a number from 0, got -1 (configuration seed=1,replicas.detect=-1 and 1 more)",
    );
    expect(issues[1]).toMatchObject({ path: "cluster.replicas", line: lineOf("    - 999") });
    expect(issues[1]?.message).toMatch(/1001 replicas, but the nodes have 198/);
  });

  test.each([
    ["workload.ratPerS", /unknown key "ratPerS"/, 'did you mean "ratePerS"?'],
    ["worklod.ratePerS", /unknown path/, 'did you mean "workload"?'],
    ["cluster.replicas.detct", /no task is called "detct"/, 'did you mean "detect"?'],
    ["cluster.nodes.7.count", /no entry 7 in the list/, "entries count from 0"],
    ["validation.repeats", /cannot be swept/, "sweep what a run depends on"],
  ])("an unknown path %s is answered with the nearest", (path, message, hint) => {
    const [issue] = issuesOf(() => expand(`sweep: { ${path}: [1] }`));
    expect(issue?.message).toMatch(message);
    expect(issue?.hint).toBe(hint);
  });

  test("the same configuration twice is an issue", () => {
    const [issue] = issuesOf(() => expand("sweep: { run.seed: [1, 2, 1] }"));
    expect(issue?.message).toMatch(/configuration seed=1 is given twice/);
  });

  test("the scheduler's checker sees swept schedulers, each once", () => {
    const asked: unknown[] = [];
    const checkScheduler = (value: unknown, path: string) => {
      asked.push(value);
      return value === "worst" ? [{ path, message: "no such scheduler" }] : [];
    };
    const rest = "sweep: { scheduler: [fifo, worst], run.seed: [1, 2, 3] }";
    const issues = issuesOf(() => expand(rest, { checkScheduler }));
    expect(issues).toHaveLength(1);
    expect(issues[0]?.message).toMatch(/no such scheduler \(configuration .* and 2 more\)/);
    expect(asked).toEqual(["fifo", "worst"]);
  });
});

describe("a sweep of a great size", () => {
  const cube = (n: number) => `sweep:
  cluster.replicas.detect: { from: 1, to: 10, step: 1 }
  workload.ratePerS: { from: 1, to: 100, step: 1 }
  run.seed: { from: 1, to: ${n}, step: 1 }`;

  test("is refused by its number alone, without being made", () => {
    const run = () => expand(cube(1e9));
    expect(run).toThrow(/1,000,000,000,000 configurations/);
    expect(run).toThrow(
      expect.objectContaining({ code: "limit-exceeded", hint: expect.stringContaining("--yes") }),
    );
  });

  test("passes at the bound, and beyond it when asked for", () => {
    expect(expand(cube(10))).toHaveLength(10_000);
    expect(() => expand(cube(11))).toThrow(/11,000 configurations; at most 10,000/);
    expect(expand(cube(11), { allowLarge: true })).toHaveLength(11_000);
  });
});

describe("what a validation runs", () => {
  const sweep = "sweep: { workload.ratePerS: [1, 2, 3], cluster.replicas.detect: [1, 2] }\n";

  test("is the first and the last of the sweep by default", () => {
    const ids = expandValidation(load(sweep)).map(({ id }) => id);
    expect(ids).toEqual(["ratePerS=1,replicas.detect=1", "ratePerS=3,replicas.detect=2"]);
    expect(expandValidation(load("")).map(({ id }) => id)).toEqual(["base"]);
  });

  test("is its points when it has some, with the ids of the sweep", () => {
    const points = "validation: { points: [{ workload.ratePerS: 2, cluster.replicas.detect: 1 }] }";
    const [only] = expandValidation(load(sweep + points));
    expect(only?.id).toBe("ratePerS=2,replicas.detect=1");
    expect(only?.document.workload).toMatchObject({ ratePerS: 2 });
  });

  test("has the scenario's own value of a swept path that a point leaves out", () => {
    const points = "validation: { points: [{ workload.ratePerS: 2 }] }";
    const [only] = expandValidation(load(sweep + points));
    expect(only?.id).toBe("ratePerS=2");
    expect(only?.parameters).toEqual({
      "workload.ratePerS": 2,
      "cluster.replicas.detect": 4,
    });
  });
});
