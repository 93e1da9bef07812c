/** The study's scenarios are sound and complete, and its judgements are those of their samples. */
import { describe, expect, test } from "vitest";
import type { ConfigurationResult } from "../../results/documents.ts";
import { checkedSweep } from "../../scenario/expand-sweep.ts";
import { parseScenario } from "../../scenario/parse.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../../schedulers/registry.ts";
import {
  armsOf,
  CLAIMS,
  type Claim,
  claimDocument,
  figuresOf,
  judgementOf,
  type Sections,
} from "./claim.ts";
import {
  ARMS,
  attainedAndRight,
  CELLS,
  type FieldScenario,
  fieldScenario,
  judgeCells,
  PIPELINES,
  SHAPES,
  standings,
  worstLoss,
} from "./field.ts";
import { studyPage } from "./page.ts";

const EFFORT = { durationS: 3, warmupS: 1, replications: 2 };
const checks = {
  checkScheduler: (...[scheduler, path, pipelines]: Parameters<typeof checkScheduler>) =>
    checkScheduler(scheduler, path, pipelines),
};

/** The number of configurations of a scenario, each of which is checked. */
function configurations(document: Sections): number {
  const unread = () => "";
  const loaded = parseScenario(JSON.stringify(document), "study.yaml", unread, {}, checks);
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
    expect(named.sort()).toEqual(systems.sort());
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
  test("has every preset on every pipeline and shape, or the reason why not", () => {
    for (const pipelines of PIPELINES) {
      for (const shape of SHAPES) {
        const { arms, refused, cells, document } = fieldScenario(
          ...([pipelines, shape, EFFORT, CELLS.slice(0, 1)] as const),
        );
        expect(arms.length + refused.length).toBe(ARMS.length);
        for (const { reason } of refused) expect(reason).toMatch(/variants/);
        expect(configurations(document)).toBe(arms.length * cells.length);
      }
    }
  });

  const arms = ["fifo", "edf", "sjf"].map((name) => ({ name, scheduler: name }));
  const cell = { load: 0.5, cv: 1, goal: "tight" } as const;
  const scenario = {
    name: "made",
    pipelines: PIPELINES[0],
    shape: "own",
    arms,
    refused: [],
    document: {},
    cells: [cell, { ...cell, load: 0.9 }],
  } as FieldScenario;
  const high = [0.9, 0.91, 0.89, 0.9, 0.9, 0.91];
  const low = high.map((share) => share - 0.2);
  const near = high.map((share) => share - 0.001);
  const judged = judgeCells(
    scenario,
    [high, low, near, high, high, low].map((shares) => result(shares)),
  );

  test("calls ties ties, and losers losers", () => {
    const best = judged.map(({ members }) => members.map(({ isBest }) => isBest));
    expect(best).toEqual([
      [true, false, true],
      [true, true, false],
    ]);
    expect(standings(judged).map(({ arm, best: count }) => [arm.name, count])).toEqual([
      ["fifo", 2],
      ["edf", 1],
      ["sjf", 1],
    ]);
  });

  test("finds the worst loss against another, with its interval; none within the margin", () => {
    expect(worstLoss(judged, "edf", "fifo")?.difference.mean).toBeCloseTo(-0.2, 9);
    expect(worstLoss(judged, "sjf", "fifo")?.result.cell.load).toBe(0.9);
    expect(worstLoss(judged, "fifo", "sjf")).toBeNull();
  });

  test("weighs accuracy where it is asked to", () => {
    const accurate = [result(near, { accuracyMean: high.map(() => 0.95) })];
    const fast = [result(high, { accuracyMean: high.map(() => 0.8) })];
    const one = { ...scenario, arms: arms.slice(0, 2), cells: [cell] };
    const [{ members }] = judgeCells(one, [...accurate, ...fast], attainedAndRight);
    expect(members.map(({ isBest }) => isBest)).toEqual([true, false]);
  });

  test("is on the page, each cell with its names", () => {
    const findings = { claims: [], field: judged, right: [], scenarios: [scenario] };
    const page = studyPage({ ...findings, effort: EFFORT, machine: "a machine" });
    expect(page).toMatch(/\| made +\| +0\.5 \| +1 \| tight +\| +90\.2% .* fifo, sjf +\|/);
    expect(page).toContain("- **made:** `fifo` (among the best in 2 of 2 cells).");
    expect(page).not.toMatch(/undefined|NaN/);
  });
});
