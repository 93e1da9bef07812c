/**
 * How `tandem validate` handles verdicts, hosts and budgets; `validate-interrupt.long.test.ts`: of
 * Ctrl-C.
 */
import { describe, expect, test } from "vitest";
import { exitCodeOf, Fault } from "../engine/basics/fault.ts";
import { hostLines } from "../library/calibrate.ts";
import { checkedOptions } from "../library/option.ts";
import { VALIDATE } from "../library/options.ts";
import { validationDocument } from "../reports/documents.test-support.ts";
import type { ValidationDocument, Verdict } from "../results/validation.ts";
import { notesByLetter, outcomeOf } from "./validate.ts";

function documentOf(...verdicts: readonly Verdict[]): ValidationDocument {
  const { configurations, ...head } = validationDocument(9);
  const one = { agrees: 0, disagrees: 4, "cannot tell": 7 } as const;
  return { ...head, configurations: verdicts.map((verdict) => configurations[one[verdict]]) };
}

describe("the exit code", () => {
  const options = { wanted: 2, strict: false, json: true };

  test("is 0 without a word if all agree", () => {
    expect(outcomeOf(documentOf("agrees", "agrees"), options)).toEqual([]);
  });

  test("is 3 if one disagrees, strict or not", () => {
    for (const strict of [false, true]) {
      const fault = outcomeOf(documentOf("cannot tell", "disagrees"), { ...options, strict });
      expect(exitCodeOf(fault)).toBe(3);
      expect((fault as Fault).message).toBe("1 of 2 configurations disagrees");
    }
  });

  test("is 0 with a warning if one cannot be told, and 3 if strict", () => {
    const document = documentOf("agrees", "cannot tell");
    const lines = outcomeOf(document, options);
    expect(lines).not.toBeInstanceOf(Fault);
    expect((lines as readonly string[]).join("\n")).toMatch(
      /^tandem: warning: 1 of 2 configurations cannot be judged yet\n {2}B: .* cannot be judged yet: .*12 runs/,
    );
    const fault = outcomeOf(document, { ...options, strict: true });
    expect(exitCodeOf(fault)).toBe(3);
    expect((fault as Fault).hint).toMatch(/about 12 runs/);
  });

  test("counts configurations that a budget left out as not told", () => {
    const lines = outcomeOf(documentOf("agrees"), { ...options, wanted: 3 });
    expect((lines as readonly string[]).join("\n")).toMatch(
      /2 of 3 configurations cannot .*\n {2}the budget was spent before 2 configurations/,
    );
  });
});

test("a note of several configurations stands once, with the letters of all", () => {
  const [faults, power] = ["not realised: faults", "not realised: power"];
  const results = [{ notes: [faults] }, {}, { notes: [power, faults] }];
  expect(notesByLetter(results)).toEqual([`A, C: ${faults}`, `C: ${power}`]);
  const many = Array.from({ length: 28 }, (_, i) => (i < 26 ? {} : { notes: [power] }));
  expect(notesByLetter(many)).toEqual([`AA, AB: ${power}`]);
});

describe("a host that is not fit", () => {
  const probe = {
    stealRatio: 0.03,
    othersRatio: null,
    longestStallMs: 15,
    reasons: ["the hypervisor took 3.0% of the processors (limit 1.0%)"],
    unknown: [],
  };

  test("is a warning that names the reason and the way out", () => {
    const text = hostLines(probe, false).join("\n");
    expect(text).toMatch(/^tandem: warning: this host is not fit .*the hypervisor took 3\.0%/);
    expect(text).toMatch(/another machine/);
  });

  test("ends a strict validation before anything runs", () => {
    let thrown: unknown;
    try {
      hostLines(probe, true);
    } catch (error) {
      thrown = error;
    }
    expect(exitCodeOf(thrown)).toBe(3);
    expect((thrown as Fault).message).toContain("the hypervisor took 3.0%");
  });

  test("is not one without reasons", () => {
    expect(hostLines({ ...probe, reasons: [] }, true)).toEqual([]);
  });
});

test("a fault never has a blank hint, as of a process that died without a word", () => {
  expect(new Fault("cluster-failure", "it ended", { hint: " \n" }).hint).toBeUndefined();
  expect(new Fault("cluster-failure", "it ended", { hint: "its last words" }).hint).toBeDefined();
});

test.each([
  ["90s", 90],
  ["5m", 300],
  ["1.5h", 5400],
])("a budget of %s is %d seconds", (budgetS, seconds) => {
  expect(checkedOptions(VALIDATE, { budgetS })).toMatchObject({ budgetS: seconds });
});

test.each(["", "m", "-5m", "0s", "5d"])("a budget of %j is bad usage", (budgetS) => {
  expect(() => checkedOptions(VALIDATE, { budgetS })).toThrow(/expected a span of time above 0/);
});
