import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../checks/support/test-form.test-support.ts";
import { Fault } from "../engine/basics/fault.ts";
import { parseScenario, parseSetOption } from "./parse.ts";
import type { LoadedScenario } from "./reading/files.ts";
import {
  type Files,
  issuesOf,
  profileText,
  readerOf,
  replaced,
  SMALL,
} from "./reading/issues.test-support.ts";
import { DECISIONS } from "./schema/scheduler.ts";
import { SCENARIO_TEMPLATE } from "./template.test-support.ts";

type Load = (text: string, files?: Files, overrides?: Record<string, unknown>) => LoadedScenario;

const FILES: Files = { "dir/profiles/reader.json": profileText(1) };

const load: Load = (text, files = FILES, overrides = {}) =>
  parseScenario(text, "dir/good.yaml", readerOf(files), overrides);

describe("a good scenario", () => {
  test("is loaded with defaults, profiles and a digest", () => {
    const loaded = load(SMALL);
    expect(loaded.document.run).toEqual({ seed: 1, replications: 10 });
    expect(loaded.document.pipelines.p?.tasks.plate?.join).toBe("all");
    expect(loaded.profiles["profiles/reader.json"]?.batches[0]?.meanUs).toBe(1500);
    expect(loaded.digest).toMatch(/^[0-9a-f]{16}$/);
  });

  test("keeps its digest under comments, key order and explicit defaults", () => {
    const moved = `# a comment\nrun: { replications: 10, seed: 1 }\n${SMALL}`;
    expect(load(moved).digest).toBe(load(SMALL).digest);
  });

  test("changes its digest with a value, an override or a profile's contents", () => {
    const digests = [
      load(SMALL).digest,
      load(replaced(SMALL, "ratePerS: 20", "ratePerS: 21")).digest,
      load(SMALL, FILES, { "workload.ratePerS": 22 }).digest,
      load(SMALL, { "dir/profiles/reader.json": profileText(1).replace("1500", "1501") }).digest,
    ];
    expect(new Set(digests).size).toBe(4);
    expect(load(SMALL, FILES, { "workload.ratePerS": 21 }).digest).toBe(digests[1]);
  });

  test("may keep any section in a file of its own, found from the scenario's folder", () => {
    const text = replaced(
      SMALL,
      "cluster:\n  replicas: { detect: 2, plate: 1 }",
      "cluster: shapes/a.yml",
    );
    const files = { ...FILES, "dir/shapes/a.yml": "replicas: { detect: 7, plate: 1 }" };
    expect(load(text, files).document.cluster.replicas.detect).toBe(7);
  });

  test("survives a structured clone, so that worker threads can have it", () => {
    const loaded = load(SMALL);
    expect(structuredClone(loaded)).toEqual(loaded);
  });
});

describe("overrides", () => {
  test("set values deep inside, and grow a preset or a policy name into a mapping", () => {
    const { document } = load(SMALL, FILES, {
      "cluster.replicas.detect": 5,
      "scheduler.batching": "size-or-timeout",
      "scheduler.batching.maxBatch": 1,
    });
    expect(document.cluster.replicas.detect).toBe(5);
    expect(document.scheduler).toEqual({
      preset: "fifo",
      batching: { policy: "size-or-timeout", maxBatch: 1 },
    });
  });

  test.each(DECISIONS)("grow a bare name of a policy for %s into a mapping", (decision) => {
    const scheduler = { [decision]: "some" };
    const parameter = { [`scheduler.${decision}.min`]: 2 };
    const { document } = load(SMALL, FILES, { scheduler, ...parameter });
    expect(document.scheduler).toEqual({ [decision]: { policy: "some", min: 2 } });
  });

  test.each([
    ["workload.ratPerS", 3, /unknown key/, 'did you mean "ratePerS"?'],
    ["cluster.replica.detect", 3, /unknown key "replica"/, 'did you mean "replicas"?'],
    ["wrkload.ratePerS", 3, /unknown path/, 'did you mean "workload"?'],
    ["cluster.replicas.detct", 3, /no task is called "detct"/, 'did you mean "detect"?'],
    ["models.readr.service.meanMs", 3, /there is no models.readr/, 'did you mean "reader"?'],
    ["name.x", 3, /name is "good"/, "only a mapping or a list has something inside"],
    ["workload.ratePerS", "fast", /expected a number/, undefined],
  ])("%s = %s is an issue of the overrides, not of a line", (path, value, message, hint) => {
    const [issue] = issuesOf(() => load(SMALL, FILES, { [path]: value }));
    expect(issue?.message).toMatch(message);
    expect(issue?.hint).toBe(hint);
    expect(issue?.file).toBe("overrides");
    const named = { overridesAs: "--set" };
    const [again] = issuesOf(() =>
      parseScenario(SMALL, "dir/good.yaml", readerOf(FILES), { [path]: value }, named),
    );
    expect(again.file).toBe("--set");
    expect(issue?.line).toBeUndefined();
  });

  test("of a swept path take the place of the axis", () => {
    const text = `${SMALL}sweep:\n  workload.ratePerS: [1, 2]\n  run.seed: [1, 2]\n`;
    const { document } = load(text, FILES, { "workload.ratePerS": 9 });
    expect(document.workload).toMatchObject({ ratePerS: 9 });
    expect(document.sweep).toEqual({ "run.seed": [1, 2] });
  });

  test.each([["{ run.seed: [1, 2] }"], ["{ points: [{ run.seed: 1 }] }"]])(
    "switch the sweep %s off where they set it to {}",
    (sweep) => {
      const overrides = { sweep: {}, "run.seed": 7 };
      const { document } = load(`${SMALL}sweep: ${sweep}\n`, FILES, overrides);
      expect(document).not.toHaveProperty("sweep");
      expect(document.run.seed).toBe(7);
    },
  );

  test("of a path that every point sets would be lost, so they are an issue", () => {
    const text = `${SMALL}sweep:\n  points: [{ workload.ratePerS: 1 }]\n`;
    const [issue] = issuesOf(() => load(text, FILES, { "workload.ratePerS": 9 }));
    expect(issue?.message).toMatch(/would have no effect/);
  });

  test("are read from options as YAML", () => {
    expect(parseSetOption("a.b=3")).toEqual(["a.b", 3]);
    expect(parseSetOption("s=fifo")).toEqual(["s", "fifo"]);
    expect(parseSetOption("s={policy: a, n: [1, 2]}")).toEqual(["s", { policy: "a", n: [1, 2] }]);
    expect(parseSetOption("a=b=c")).toEqual(["a", "b=c"]);
    for (const bad of ["a", "=3", "a=[1"]) {
      expect(() => parseSetOption(bad)).toThrow(expect.objectContaining({ code: "usage" }));
    }
  });
});

describe("whatever the text, the parser answers", () => {
  const outcome = (text: string): "document" | "issues" => {
    try {
      parseScenario(text, "x.yaml", readerOf({}));
      return "document";
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      expect(error.issues.length).toBeGreaterThan(0);
      for (const issue of error.issues) expect(issue.file).toBeDefined();
      return "issues";
    }
  };

  test("random edits of a good scenario give a document or issues, never a crash", () => {
    const pieces = [
      "",
      "  ",
      "\n",
      ":",
      "-",
      "[",
      "}",
      "0",
      "-1",
      "null",
      "&a ",
      "*a",
      "x: 1\n",
      "'",
    ];
    const edit = fc.tuple(fc.nat(), fc.nat(20), fc.constantFrom(...pieces));
    const seen = new Set<string>();
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let text = SCENARIO_TEMPLATE;
        for (const [at, length, piece] of edits) {
          const start = at % text.length;
          text = text.slice(0, start) + piece + text.slice(start + length);
        }
        seen.add(outcome(text));
      }),
      { numRuns: cases(400) },
    );
    expect(seen).toEqual(new Set(["document", "issues"]));
  });

  test("random values in the place of a section give a document or issues, never a crash", () => {
    const section = fc.constantFrom("pipelines", "models", "cluster", "workload", "sweep", "run");
    fc.assert(
      fc.property(section, fc.jsonValue({ maxDepth: 4 }), (name, value) => {
        const text = SCENARIO_TEMPLATE.replace(/^sweep:[\s\S]*/m, "");
        const overrides = { [name]: value };
        try {
          parseScenario(text, "x.yaml", readerOf({}), overrides);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
      { numRuns: cases(400) },
    );
  });
});
