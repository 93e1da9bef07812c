/** The study's scenarios are sound and complete, and its judgements are those of their samples. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import {
  type Case,
  caseOf,
  type Decision,
  type EngineCase,
  engineFactorsOf,
  factorsOf,
} from "../../results/which-scheduler.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { checkedSweep } from "../../scenario/expand-sweep.ts";
import { parseScenario } from "../../scenario/parse.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../../schedulers/registry.ts";
import { decisions } from "./advice.ts";
import { ABLATED, fixedArms, SETTINGS, settingsOf, TUNED } from "./arms.ts";
import { CASE_FILES, CASES, caseDocument, caseName } from "./cases.ts";
import {
  armsOf,
  CLAIMS,
  type Claim,
  claimDocument,
  figuresOf,
  judgementOf,
  type Sections,
} from "./claim.ts";
import { engineSection, engineTable } from "./engine-page.ts";
import {
  capacityPerS,
  ENGINE_CASES,
  ENGINE_FILES,
  engineCaseName,
  engineDocument,
  engineRuns,
  saturation,
} from "./engines.ts";
import {
  ablationRuns,
  bestSettings,
  type CaseResult,
  costOver,
  fieldRuns,
  judgeCase,
  type Member,
  refusalOf,
  refusals,
  searchRuns,
  standings,
  systemOf,
} from "./field.ts";
import { findingsOf, findingsText } from "./findings.ts";
import { caseWords, pointsText } from "./markdown.ts";
import { OWN_CASES, ownRuns, ownSection, withTrials } from "./own-models.ts";
import { decisionGrid, decisionTable, studyPage } from "./page.ts";
import { placedArms } from "./placed-groups.ts";

const EFFORT = { plays: 1, windows: 2, loads: 2 };
const checks = {
  checkScheduler: (...[scheduler, path, pipelines]: Parameters<typeof checkScheduler>) =>
    checkScheduler(scheduler, path, pipelines),
};

/** The number of configurations of a scenario, each of which is checked. */
function configurations(document: Sections): number {
  const files = { ...CASE_FILES, ...ENGINE_FILES };
  const read = (path: string) => files[path.replace(/^.*\//, "")] ?? "";
  const loaded = parseScenario(JSON.stringify(document), "field/x/study.yaml", read, {}, checks);
  const sweep = checkedSweep(loaded, checks);
  for (let i = 0; i < sweep.count; i++) sweep.at(i);
  return sweep.count;
}

const result = (attained: readonly number[], more: object = {}): ConfigurationResult =>
  ({
    id: "x",
    parameters: {},
    replications: attained.length,
    requests: 100 * attained.length,
    metrics: { costPerHour: { mean: 8, halfWidth95: 0 } },
    samples: { sloAttainmentRatio: attained, ...more },
  }) as unknown as ConfigurationResult;

const anything = (value: object): object => new Proxy({}, { get: () => value });

describe("claims", () => {
  test("are there for every preset beyond the textbook's, each in a folder of its own", () => {
    const named = CLAIMS.map(({ name }) => name).filter((name) => name in PRESETS);
    const systems = Object.keys(PRESETS).filter((name) => !TEXTBOOK_PRESETS.includes(name));
    // No paper claims anything for it: it is the baseline of AlpaServe's.
    const baseline = "selective-replication";
    expect([...named, baseline].sort()).toEqual(systems.sort());
    const arms = CLAIMS.flatMap((claim) => Object.keys(armsOf(claim)));
    expect(arms.some((arm) => arm.startsWith(`${baseline}/`))).toBe(true);
    expect(new Set(CLAIMS.map(({ name }) => name)).size).toBe(CLAIMS.length);
  });

  test.each(CLAIMS.map((claim): [string, Claim] => [claim.name, claim]))(
    "of %s are scenarios without an issue, that name their source, with figures of their arms",
    (_, claim) => {
      const document = claimDocument(claim, 2);
      expect(configurations(document)).toBe(Object.keys(armsOf(claim)).length);
      expect(claim.source.length).toBeGreaterThan(10);
      expect(claim.difference).toMatch(/\.$/);
      const { run } = document as { run: { compare?: { metrics: string[] } } };
      const one = { mean: 0.5, halfWidth95: 0.1 };
      const found = Object.keys(armsOf(claim)).map((id) => ({
        ...result([]),
        id,
        replications: 2,
        requests: 100,
        samples: Object.fromEntries(run.compare?.metrics.map((name) => [name, [0.5, 0.75]]) ?? []),
        tasks: anything({ throughputPerS: one, replicasMean: one }),
        pipelines: anything({ requests: one, timeoutRatio: one }),
      }));
      const figures = figuresOf(claim, found as unknown as ConfigurationResult[]);
      expect(figures.flatMap(({ claimed }) => claimed).length).toBeGreaterThan(0);
      expect(claim.difference, "the run judges").not.toMatch(/claimed|^None|as documented/i);
      for (const { about, value } of figures)
        expect(`${about} ${value.mean}`).not.toMatch(/[{}]|undef/);
    },
  );

  test("of the M/G/1 state its mean waits by Pollaczek and Khinchine, and by Cobham", () => {
    const rate = 0.07 / 4;
    const times = [2, 6, 6, 30];
    const load = (some: readonly number[]): number => rate * some.reduce((sum, t) => sum + t, 0);
    const wait = (own: number): number =>
      1 /
      (1 - load(times.filter((time) => time < own))) /
      (1 - load(times.filter((time) => time <= own)));
    const shortest = times.reduce((sum, time) => sum + wait(time), 0) / times.length;
    const ratio = shortest * (1 - load(times));
    expect(CLAIMS.find(({ name }) => name === "sjf")?.claim).toContain(ratio.toFixed(3));
  });
});

describe("figures", () => {
  const arms = { a: {}, b: {} };
  const runs = [result([0.9, 0.8, 0.9]), result([0.6, 0.4, 0.45])];
  const figure = (entry: object, found = runs, own: Claim["arms"] = arms): number =>
    figuresOf({ arms: own, figures: [{ about: "x", ...entry }] }, found)[0].value.mean;

  test("pair replications", () => {
    const of = "sloAttainmentRatio";
    expect(figure({ ratio: ["a", "b"], of })).toBeCloseTo((1.5 + 2 + 2) / 3, 12);
    expect(figure({ points: ["a", "b"], of })).toBeCloseTo(38.333, 2);
  });

  test.each([
    [{ above: 0.7 }, "above 0.7", "holds"],
    [{ above: 0.86 }, "above 0.86", "cannot tell"],
    [{ below: 0.6 }, "below 0.6", "fails"],
    [{ value: 0.87, within: 0.2 }, "0.87 ± 20%", "holds"],
    [{ value: 2, within: 0.2 }, "2 ± 20%", "fails"],
    [{ between: [0.85, 0.9] }, "0.85 to 0.9", "cannot tell"],
  ] as const)("of %j are judged by their whole interval", (claimed, text, judgement) => {
    // 0.867 ± 0.143.
    const entry = { about: "x", mean: "a", of: "sloAttainmentRatio" as const, claimed: [claimed] };
    const found = figuresOf({ arms, figures: [entry] }, runs);
    expect(found[0].claimed).toEqual([{ text, judgement }]);
    expect(judgementOf(found)).toBe(judgement);
    const beside = { ...found[0], claimed: [{ text: "above 0", judgement: "holds" as const }] };
    expect(judgementOf([beside, ...found])).toBe(judgement);
  });

  test.each([
    [{ below: 1 }, "fails"],
    [{ above: 1 }, "fails"],
    [{ atMost: 1 }, "holds"],
  ] as const)("of %j are judged strictly by a figure of just 1", (claimed, judgement) => {
    const entry = { about: "x", ratio: ["a", "a"] as const, of: "sloAttainmentRatio" as const };
    const [found] = figuresOf({ arms, figures: [{ ...entry, claimed: [claimed] }] }, runs);
    expect(found.value).toEqual({ mean: 1, halfWidth95: 0 });
    expect(found.claimed[0].judgement).toBe(judgement);
  });

  test("of no late answer are known to 3.84 in so many answers", () => {
    const samples = { sloAttainmentRatio: [0.9, 0.8], dropRatio: [0.1, 0.2] };
    const none = { ...result([]), samples, requests: 100_000 } as unknown as ConfigurationResult;
    const entry = { about: "x", late: "a", claimed: [{ below: 0.0001 }] };
    const [{ value, claimed }] = figuresOf({ arms, figures: [entry] }, [none, none]);
    expect([value.mean, value.halfWidth95]).toEqual([0, expect.closeTo(384.1 / 85_000, 5)]);
    expect(claimed[0].judgement).toBe("cannot tell");
  });

  test("count half a request where none misses", () => {
    const perfect = [result([0.9, 0.9]), result([1, 1])];
    expect(figure({ misses: ["a", "b"] }, perfect)).toBeCloseTo(0.1 / 0.005, 9);
  });

  test("take the largest load that keeps the share, in each replication", () => {
    const loads = [{ own: {}, other: {} }, { "workload.ratePerS": [10, 20] }];
    const found = [result([0.9, 0.9]), result([0.9, 0.4]), ...[1, 2].map(() => result([0.6, 0.6]))];
    const capacity = { capacity: "own", over: ["other"] };
    expect(figure({ ...capacity, share: 0.5 }, found, loads)).toBe((20 / 20 + 10 / 20) / 2);
    expect(figure({ ...capacity, over: ["own"], share: 0.3 }, found, loads)).toBe(1);
  });
});

describe("the field", () => {
  test("has a case for every combination, and the factors of its scenario are those of the case", () => {
    expect(new Set(CASES.map(caseName)).size).toBe(2 ** 5);
    for (const one of CASES) {
      const { workload } = scenarioSchema.parse(caseDocument(one, 1, 1));
      const name = one.arrivals === "steady" ? "conv1.csv" : "code1.csv";
      const [, ...rows] = CASE_FILES[name].split("\n");
      const factors = factorsOf(systemOf(one), workload, rows.map(Number));
      expect(caseOf(factors)).toEqual(one);
    }
  });

  test("has every preset in some case, or the reason why not", () => {
    const arms = new Set(CASES.flatMap((one) => fixedArms(one).map(({ name }) => name)));
    for (const name of Object.keys(PRESETS)) expect(arms, name).toContain(name);
    for (const reason of refusals().values()) expect(reason).toMatch(/variants/);
  });

  test.each([0, 21])("of case %i is sound, with all its settings", (index) => {
    const one = CASES[index];
    const search = searchRuns(one, EFFORT);
    expect(configurations(search.document)).toBe(search.of.length * search.loads.length);
    const runs = [fieldRuns(one, EFFORT, []), ablationRuns(one, EFFORT)];
    for (const { of, document } of runs)
      expect(configurations(document)).toBe(of.length * EFFORT.loads * EFFORT.windows);
    if (one.devices === "own") return;
    const names = runs.flatMap(({ of }) => of.map(({ name }) => name));
    for (const { of, without } of ABLATED) {
      expect(names).toContain(of);
      expect(without.some((one) => names.includes(one))).toBe(true);
    }
  });

  test("takes a mechanism of its own from each system", () => {
    const systems = new Set(ABLATED.map(({ of }) => of));
    const tuned = TUNED.filter((one) => one in PRESETS);
    // Its mechanism is its placement.
    const names = tuned.map((name) => (name === "alpaserve" ? "alpaserve, placed" : name));
    for (const name of names) expect(systems).toContain(name);
    expect(ABLATED.filter(({ part }) => part === "batches")).toEqual([]);
  });

  test("takes AlpaServe's groups away by its own search, over single devices", () => {
    type Placed = { readonly placement: readonly { readonly replicas: number }[] };
    const arms = placedArms(CASES[20], 0.45);
    const largest = arms.map(({ paths }) =>
      Math.max(...(paths.cluster as Placed).placement.map(({ replicas }) => replicas)),
    );
    expect(largest).toEqual([2, 1]);
    expect(placedArms(CASES[16], 0.45)).toEqual([]);
  });

  test.each([0, 6])("with models of ours in case %i is sound, with the table's advice", (index) => {
    const one = OWN_CASES[index];
    const batching = { policy: "adaptive", maxBatch: 8 };
    const use = { name: "edf, tuned", scheduler: { preset: "edf", batching } };
    const rows = [{ case: CASES[16 + index], use }] as unknown as Decision<Case>[];
    const runs = ownRuns(one, EFFORT, rows);
    expect(configurations(runs.document)).toBe(runs.of.length * EFFORT.loads * EFFORT.windows);
    const { kind, scheduler } = runs.of[runs.of.length - 1];
    const unlimited = { preset: "edf", batching: "adaptive" };
    expect([kind, scheduler]).toEqual(["tuned", unlimited]);
    const found = runsWith(runs.of.map(({ name }) => (name === "edf, tuned" ? 0.5 : 0.99)));
    const page = ownSection([judgeCase(one, runs, found)], rows).join("\n");
    expect(page).toMatch(/in 0 of the 1 cases[^|]*(\|[^\n]*\n)+.*`edf, tuned`/s);
    expect(page).not.toMatch(/undefined|NaN/);
    const judged = judgeCase(one, runs, found);
    expect(page).toContain("It did not carry over where another does better");
    const [row] = withTrials(rows, [judged]);
    expect(row.use?.elsewhere).toMatchObject({ holds: false, best: judged.members[0].arm.name });
    expect(row.use?.elsewhere?.behind.mean).toBeGreaterThan(0);
    expect(withTrials([{ case: CASES[0], use: null }], [judged])[0].use).toBeNull();
  });

  test("gives costs over another's with the interval of the jackknife", () => {
    const member = (name: string, costs: readonly number[] | null) =>
      ({ arm: { name }, costs }) as Member;
    const of = CASES[0];
    const both = { of, members: [member("a", [1, 2]), member("b", [1, 1])] };
    const lone = { of, members: [member("a", null), member("b", [1, 1])] };
    // Both windows give 1.5, the second alone 2, the first alone 1: the error is 0.5, times t of one degree of freedom.
    const { mean, halfWidth95 } = costOver([both, lone], ["a"], ["b"]) as Estimate;
    expect([mean, halfWidth95]).toEqual([1.5, expect.closeTo(0.5 * 12.706, 2)]);
    expect(costOver([lone], ["a"], ["b"])).toBeNull();
    expect(costOver([both], ["c", "b"], ["a"])?.mean).toBeCloseTo(2 / 3, 12);
  });

  test("searches rules that route where devices are shared, as it plays them there alone", () => {
    for (const one of CASES.filter((_, i) => i % 3 === 0)) {
      const searched = new Set(searchRuns(one, EFFORT).of.map(({ name }) => name));
      const played = fixedArms(one).some(({ name }) => name === "locality");
      expect([played, searched.has("locality")]).toEqual(Array(2).fill(one.devices === "shared"));
    }
  });

  test("searches as many settings of every system, all of them apart", () => {
    for (const name of TUNED) {
      const found = settingsOf(name).map((one) => JSON.stringify(one));
      expect(found.length).toBeLessThanOrEqual(SETTINGS);
      expect(new Set(found).size, name).toBe(found.length);
      expect(settingsOf(name).map((one) => JSON.stringify(one))).toEqual(found);
    }
  });

  /** In time at both loads, in both windows: an arm that keeps so much of a load. */
  const runsWith = (inTime: readonly number[]): ConfigurationResult[] =>
    inTime.flatMap((share, i) =>
      [0, 0.001, share, share].map((one, j) => {
        const value = { mean: j < 2 ? 1 - one : one - 0.001 * (i + j), halfWidth95: 0 };
        const costPerHour = { mean: 3, halfWidth95: 0 };
        return { metrics: { sloAttainmentRatio: value, costPerHour } } as ConfigurationResult;
      }),
    );
  const [one, other] = [CASES[0], CASES[2]];
  const made = (
    of: (typeof CASES)[number],
    inTime: Readonly<Record<string, number>>,
  ): CaseResult => {
    const runs = fieldRuns(of, EFFORT, []);
    return judgeCase(of, runs, runsWith(runs.of.map(({ name }) => inTime[name] ?? 0.5)));
  };
  const results = [made(one, { sjf: 0.99, triton: 0.99 }), made(other, { triton: 0.99 })];

  test("chooses the simplest of the best, and says where another does better", () => {
    const [row, next] = decisions(results);
    expect(row.use).toMatchObject({ name: "sjf", beside: ["triton"] });
    expect(row.use?.overFifo.mean).toBeGreaterThan(5);
    expect(row.use?.loses).toMatchObject({ where: "loose", to: "triton" });
    expect(next.use).toMatchObject({ name: "triton", beside: [], loses: null });
    const hopeless = { of: one, members: results[0].members.map((m) => ({ ...m, isBest: false })) };
    expect(decisions([hopeless])[0].use).toBeNull();
    const top = standings(results)[0];
    expect([top.name, top.cases, top.best]).toEqual(["triton", 2, 2]);
  });

  test("keeps the setting with the most goodput, and none of an ablation's", () => {
    const runs = searchRuns(one, EFFORT);
    const wanted = runs.of.findIndex(({ name }) => name === "clockwork") + 5;
    const found = runs.of.flatMap((_, i) => runsWith([i === wanted ? 0.99 : 0.5]).slice(1, 2));
    const best = bestSettings(runs, found);
    expect(best.map(({ name }) => name)).toContain("clockwork, tuned");
    expect(best).toHaveLength(new Set(runs.of.map(({ name }) => name)).size);
  });

  test("is on the page, and a case that nothing serves too, from what is stored as well", () => {
    const hopeless = { of: CASES[1], members: made(CASES[1], {}).members.map(unserved) };
    const ablated = results.map(({ of }) => ({ of, members: made(of, {}).members.slice(0, 1) }));
    const found = { claims: [CLAIM], field: [...results, hopeless], ablated, own: [], engines: [] };
    const given = { ...found, effort: EFFORT, machine: "a machine" };
    const page = studyPage(given);
    const rows = decisions(given.field);
    expect(rows[2].use).toBeNull();
    for (const line of [...decisionGrid(rows), ...decisionTable(rows)])
      expect(page).toContain(line);
    expect(page).toMatch(/tight, bursty +\| none: more devices/);
    expect(page).not.toMatch(/undefined|NaN/);
    const text = findingsText(given);
    expect(studyPage(findingsOf(text))).toBe(page);
    expect(findingsText(findingsOf(text))).toBe(text);
  });
});

const unserved = (member: Member): Member => {
  return { ...member, samples: [0, 0], goodput: { mean: 0, halfWidth95: 0 }, isBest: false };
};
const FIGURE = { about: "x", value: { mean: 1, halfWidth95: 0.1 }, unit: "×", claimed: [] };
const CLAIM = { claim: CLAIMS[0], figures: [FIGURE] };

describe("cases of language models", () => {
  const loadedOf = (document: Sections) => {
    const read = (path: string) => ENGINE_FILES[path.replace(/^.*\//, "")] ?? "";
    return parseScenario(JSON.stringify(document), "engines/x/study.yaml", read, {}, checks);
  };

  test("are every combination, and the factors of each scenario are those of its case", () => {
    expect(new Set(ENGINE_CASES.map(engineCaseName)).size).toBe(2 ** 3);
    for (const one of ENGINE_CASES) {
      const loaded = loadedOf(engineDocument(one));
      const factors = engineFactorsOf(compileSystem(loaded.document, loaded));
      expect(factors && caseOf(factors)).toEqual(one);
      for (const { reason } of Object.values(factors ?? {}))
        expect(reason).not.toMatch(/NaN|undef/);
    }
  });

  test.each([0, 7])("of case %i are sound, with all their arms", (index) => {
    const one = ENGINE_CASES[index];
    const { of, loads, windows, document } = engineRuns(
      one,
      [...Array(10).keys()].map((i) => i + 5),
    );
    expect(configurations(saturation(one))).toBe(windows.length);
    expect(configurations(document)).toBe(of.length * loads.length * windows.length);
    expect(of[0].name, "the baseline").toBe("vllm");
    // Each window's file has the columns of lengths, though the sweep alone names it.
    const loaded = loadedOf(document);
    const { document: last } = checkedSweep(loaded, checks).at(windows.length - 1);
    expect(last.workload).toMatchObject({ file: `../chat${windows.length}.csv` });
    expect(compileSystem(last, loaded).pipelines.length).toBeGreaterThan(0);
  });

  test("have loads as shares of what the engines serve where all come at once", () => {
    const metrics = { makespanMs: { mean: 80_000, halfWidth95: 0 } };
    expect(capacityPerS({ metrics } as unknown as ConfigurationResult)).toBe(5);
    const capacities = [...Array(10).keys()].map((i) => i + 5);
    const { document, loads } = engineRuns(ENGINE_CASES[0], capacities);
    const { points } = document.sweep as { points: readonly Record<string, number>[] };
    expect(1 / points[0]["workload.scale"]).toBeCloseTo(5 * loads[0], 12);
    expect(1 / points[10 + 3]["workload.scale"]).toBeCloseTo(8 * loads[1], 12);
  });
});

test("the page says where two policies of iterations are one in every digit, and only there", () => {
  const member = (name: string, samples: readonly number[]) =>
    ({ arm: { name }, samples, isBest: true }) as unknown as Member;
  const pageOf = (sarathi: readonly number[]): string => {
    const members = [member("vllm", [0.5, 0.75]), member("sarathi", sarathi)];
    return engineSection(ENGINE_CASES.map((of) => ({ of, members }))).join("\n");
  };
  expect(pageOf([0.5, 0.75])).toContain("`sarathi` and `vllm` are the same in every digit");
  expect(pageOf([0.5, 0.7501])).not.toContain("the same in every digit");
});

describe("the shipped decision table", () => {
  const root = new URL("../../", import.meta.url);
  const text = (path: string) => readFileSync(new URL(path, root), "utf8");
  const all = JSON.parse(text("schedulers/which-scheduler.json")) as readonly Decision[];
  const rows = all.slice(0, CASES.length) as readonly Decision<Case>[];
  const engines = all.slice(CASES.length) as readonly Decision<EngineCase>[];

  test("is that of the page, with every case", () => {
    expect(all.map(({ case: of }) => of)).toEqual([...CASES, ...ENGINE_CASES]);
    const page = text("docs/scheduler-study.md");
    for (const line of decisionTable(rows)) expect(page).toContain(line);
    // First, and short enough for one screen.
    const grid = decisionGrid(rows);
    expect(page.split("\n").slice(2, 2 + grid.length)).toEqual(grid);
    expect(grid.length).toBeLessThanOrEqual(10);
    for (const { use } of rows) {
      expect(grid.join()).toContain(pointsText(use?.overFifo ?? { mean: 0, halfWidth95: 0 }));
    }
    for (const line of engineTable(engines)) expect(page).toContain(line);
  });

  test("says of every case that was tried with other models what the page says", () => {
    const tried = rows.flatMap(({ case: of, use }) =>
      use?.elsewhere === undefined ? [] : [{ of, ...use.elsewhere }],
    );
    expect(tried.map(({ of }) => of)).toEqual(CASES.filter((one) => one.batching === "single"));
    const lines = text("docs/scheduler-study.md").split("\n");
    for (const { of, holds, best, behind } of tried) {
      const own = lines.filter((line) => line.startsWith(`| ${caseWords(of)} `)).slice(-1)[0];
      for (const figure of [`\`${best}\``, pointsText(behind)]) expect(own).toContain(figure);
      const isNamed = lines.some((line) => line.startsWith(`- ${caseWords(of)}: `));
      expect(isNamed, caseWords(of)).toBe(!holds);
    }
  });

  test("names schedulers that its cases take", () => {
    for (const { case: of, use } of rows) {
      if (use !== null) expect(refusalOf(of, use.scheduler), use.name).toBeNull();
    }
  });
});
