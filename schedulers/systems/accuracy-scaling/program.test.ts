/** The program's plan against exhaustive search, against values by hand, and against optima that are known at its full size. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import "../../../checks/support/solver.test-support.ts";
import { cases } from "../../../checks/support/test-form.test-support.ts";
import { gapOf, planFor } from "./plan.ts";
import {
  accuracyOf,
  type Counts,
  fewestDevices,
  GAP,
  mostAccurate,
  type Option,
  type Program,
  type ProgramTask,
  servableShare,
} from "./program.ts";

const NODES = 200;
const solve = (program: Program, nodes = NODES) => mostAccurate(program, nodes);
/** Null where none serves the demand. */
const best = (program: Program): Counts | null => {
  const solution = solve(program);
  return solution.kind === "found" ? solution.counts : null;
};

/** All counts of a task's options up to the devices of each kind. */
function* rows(
  { options }: ProgramTask,
  kinds: Program["kinds"],
  devices: number,
  at = 0,
): Generator<number[]> {
  if (at === options.length) {
    yield [];
    return;
  }
  for (let count = 0; count <= Math.min(kinds[options[at].kind] ?? 0, devices); count++) {
    for (const rest of rows({ options, demandPerS: 0 }, kinds, devices - count, at + 1)) {
      yield [count, ...rest];
    }
  }
}

function* allCounts(program: Program, task = 0): Generator<Counts> {
  if (task === program.tasks.length) {
    yield [];
    return;
  }
  for (const row of rows(program.tasks[task], program.kinds, program.devices)) {
    for (const rest of allCounts(program, task + 1)) yield [row, ...rest];
  }
}

/**
 * The value of a plan by its definition: at each rank between two steps the product of what the tasks
 * answer there. Null where these counts do not serve the demand.
 */
function planValue(program: Program, counts: Counts): number | null {
  const { tasks, pipelines, devices, kinds, room } = program;
  const served = tasks.map(({ demandPerS, options }, t) => {
    let until = 0;
    return options.map(({ perS, accuracy }, k) => {
      until += (counts[t][k] * perS) / demandPerS;
      return { until: Math.min(1, until), accuracy };
    });
  });
  const used = (of: (option: Option) => number): number =>
    counts.reduce(
      (sum, row, t) => row.reduce((all, n, k) => all + n * of(tasks[t].options[k]), sum),
      0,
    );
  if (used(() => 1) > devices) return null;
  if (Object.entries(kinds).some(([kind, most]) => used((one) => Number(one.kind === kind)) > most))
    return null;
  if (room.some((amount, r) => used(({ demand }) => demand[r]) > amount)) return null;
  if (served.some((steps) => (steps.at(-1)?.until ?? 0) < 1 - 1e-9)) return null;
  const ends = [...new Set([...served.flat().map(({ until }) => until), 1])].sort((a, b) => a - b);
  const at = (t: number, rank: number): number =>
    served[t].find(({ until }) => until > rank)?.accuracy ?? Number.NaN;
  const weights = pipelines.reduce((sum, { weight }) => sum + weight, 0);
  return ends.reduce((sum, end, i) => {
    const from = i === 0 ? 0 : ends[i - 1];
    if (end - from < 1e-12) return sum;
    const middle = (from + end) / 2;
    const values = pipelines.map(({ weight, visits }) =>
      visits.reduce((product, { task, ratio }) => {
        return product * (1 - ratio + ratio * at(task, middle));
      }, weight / weights),
    );
    return sum + (end - from) * values.reduce((all, value) => all + value, 0);
  }, 0);
}

const plans = (program: Program) =>
  [...allCounts(program)].flatMap((counts) => {
    const value = planValue(program, counts);
    return value === null ? [] : [{ counts, value }];
  });

const tasks = fc.record({
  demandPerS: fc.integer({ min: 1, max: 80 }),
  options: fc
    .array(
      fc.record({
        pool: fc.constant(0),
        kind: fc.constantFrom("a", "b"),
        accuracy: fc.integer({ min: 50, max: 99 }).map((percent) => percent / 100),
        perS: fc.integer({ min: 5, max: 50 }),
        demand: fc.tuple(fc.integer({ min: 0, max: 3 })),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((options) => options.sort((a, b) => b.accuracy - a.accuracy)),
});

const programs = fc
  .record({
    tasks: fc.array(tasks, { minLength: 1, maxLength: 2 }),
    kinds: fc.record({ a: fc.integer({ min: 0, max: 3 }), b: fc.integer({ min: 1, max: 2 }) }),
    fewer: fc.integer({ min: 0, max: 1 }),
    room: fc.constantFrom([4], [7], [Number.POSITIVE_INFINITY]),
    ratio: fc.constantFrom(1, 0.5),
    apart: fc.boolean(),
  })
  .map(({ tasks, kinds, fewer, room, ratio, apart }): Program => {
    const visits = tasks.map((_, task) => ({ task, ratio: task === 0 ? 1 : ratio }));
    const pipelines = apart
      ? visits.map((one) => ({ weight: one.task + 1, visits: [one] }))
      : [{ weight: 1, visits }];
    const devices = Math.max(1, kinds.a + kinds.b - fewer);
    return { tasks, devices, kinds, room, pipelines };
  });

test("no plan is better than that of the program by more than its gap, and infeasible is infeasible", () => {
  fc.assert(
    fc.property(programs, (program) => {
      const all = plans(program);
      const found = solve(program);
      if (found.kind !== "found") expect([found.kind, all]).toEqual(["infeasible", []]);
      else {
        const value = planValue(program, found.counts);
        expect(value).toBeCloseTo(accuracyOf(program, found.counts), 9);
        expect(found.gap).toBeLessThanOrEqual(GAP);
        const most = Math.max(...all.map((one) => one.value));
        expect(most - (value ?? Number.NaN)).toBeLessThanOrEqual(found.gap + 1e-9);
      }
    }),
    { numRuns: cases(200) },
  );
});

test("the fewest devices that the most accurate variants need are those of exhaustive search", () => {
  fc.assert(
    fc.property(programs, (program) => {
      const isBest = (counts: Counts): boolean =>
        counts.every((row, t) => {
          const { options } = program.tasks[t];
          return row.every((n, k) => n === 0 || options[k].accuracy === options[0].accuracy);
        });
      const sizes = plans(program).filter(({ counts }) => isBest(counts));
      const size = (counts: Counts): number => counts.flat().reduce((sum, n) => sum + n, 0);
      const found = fewestDevices(program, NODES);
      const least = Math.min(...sizes.map(({ counts }) => size(counts)));
      expect(found === null ? Number.POSITIVE_INFINITY : size(found)).toBe(least);
      if (found !== null) expect([isBest(found), planValue(program, found)]).not.toContain(null);
    }),
    { numRuns: cases(100) },
  );
});

const option = (accuracy: number, perS: number, kind = "a") => ({
  pool: 0,
  kind,
  accuracy,
  perS,
  demand: [],
});
const alone = (demandPerS: number, devices: number): Program => ({
  tasks: [{ demandPerS, options: [option(0.9, 10), option(0.6, 40)] }],
  pipelines: [{ weight: 1, visits: [{ task: 0, ratio: 1 }] }],
  devices,
  kinds: { a: devices },
  room: [],
});

describe("by hand", () => {
  test.each([
    [20, [[2, 0]], 0.9],
    // Three large serve 30 of 50, and a small the rest.
    [50, [[3, 1]], (30 * 0.9 + 20 * 0.6) / 50],
    [100, [[2, 2]], (20 * 0.9 + 80 * 0.6) / 100],
    [160, [[0, 4]], 0.6],
  ])("a demand of %d on four devices", (demandPerS, counts, value) => {
    const program = alone(demandPerS, 4);
    expect(best(program)).toEqual(counts);
    expect(planValue(program, counts)).toBeCloseTo(value, 12);
  });

  test("on machines of different speed the accurate variant gets the fast ones", () => {
    // Paper, section 4: P of a device and a variant. Two fast devices do 30 of the accurate, three slow ones 3 × 20.
    const options = [
      option(0.9, 15, "fast"),
      option(0.9, 2, "slow"),
      option(0.6, 30, "fast"),
      option(0.6, 20, "slow"),
    ];
    const program = {
      ...alone(90, 5),
      tasks: [{ demandPerS: 90, options }],
      kinds: { fast: 2, slow: 3 },
    };
    expect(best(program)).toEqual([[2, 0, 0, 3]]);
  });

  test("variants that a resource has no room for together are not in one plan", () => {
    const options = [
      { ...option(0.9, 10), demand: [3] },
      { ...option(0.6, 40), demand: [2] },
    ];
    const program = (room: number) => ({
      ...alone(40, 4),
      tasks: [{ demandPerS: 40, options }],
      room: [room],
    });
    expect(best(program(5))).toEqual([[1, 1]]);
    expect(best(program(4))).toEqual([[0, 1]]);
    expect(best(program(1))).toBeNull();
  });

  test("more than the devices can do has no plan, and a share of it that can be served", () => {
    expect(solve(alone(161, 4))).toEqual({ kind: "infeasible" });
    expect(servableShare(alone(320, 4), NODES)).toBeCloseTo(0.5, 6);
    expect(servableShare(alone(100, 4), NODES)).toBeCloseTo(1, 6);
  });

  test("in a chain the best answers of both tasks are the same requests'", () => {
    const task = { demandPerS: 20, options: [option(0.9, 10), option(0.5, 20)] };
    const visits = [0, 1].map((one) => ({ task: one, ratio: 1 }));
    const program = { ...alone(20, 4), tasks: [task, task], pipelines: [{ weight: 1, visits }] };
    // Half of the requests get 0.9 twice; in any other coupling fewer do.
    const mixed = [
      [1, 1],
      [1, 1],
    ];
    expect(planValue(program, mixed)).toBeCloseTo((0.81 + 0.25) / 2, 12);
    expect(accuracyOf(program, mixed)).toBeCloseTo((0.81 + 0.25) / 2, 12);
    expect(best(program)).toEqual([
      [2, 0],
      [2, 0],
    ]);
  });
});

/** Ten tasks of six variants on a hundred devices. */
describe("at full size", () => {
  const ACCURACIES = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7];

  /** A chain of ten tasks alike. By concavity some optimum without whole numbers has ten devices for each task. */
  test("a chain whose optimum is a linear program of one task", () => {
    const perS = [4, 10, 16, 20, 26, 30];
    const task = {
      demandPerS: 88,
      options: ACCURACIES.map((accuracy, k) => option(accuracy, perS[k])),
    };
    const tasks = Array.from({ length: 10 }, () => task);
    const visits = tasks.map((_, one) => ({ task: one, ratio: 1 }));
    const program = { ...alone(1, 100), tasks, pipelines: [{ weight: 1, visits }] };
    // Of the vertices (two variants whose replicas fill ten devices) the best: whole numbers here.
    const vertices = perS.flatMap((a, i) =>
      perS.flatMap((b, j) => {
        const x = (88 - 10 * b) / (a - b);
        if (i >= j || x < 0 || x > 10) return [];
        const share = (x * a) / 88;
        return [{ x, value: share * ACCURACIES[i] ** 10 + (1 - share) * ACCURACIES[j] ** 10 }];
      }),
    );
    const top = vertices.reduce((one, other) => (other.value > one.value ? other : one));
    expect(Number.isInteger(top.x)).toBe(true);
    const found = solve(program);
    expect(found).toMatchObject({ kind: "found" });
    if (found.kind !== "found") return;
    expect(found.gap).toBeLessThanOrEqual(GAP);
    expect(planValue(program, found.counts)).toBeGreaterThanOrEqual(top.value - GAP);
    expect(planValue(program, found.counts)).toBeLessThanOrEqual(top.value + 1e-9);
  });

  /** Ten pipelines of one task each: a knapsack of devices over the best value of each task alone. */
  test("ten pipelines whose optimum is a knapsack", () => {
    const tasks = Array.from({ length: 10 }, (_, i) => ({
      demandPerS: 90 + 7 * i,
      options: ACCURACIES.map((accuracy, k) => option(accuracy - 0.01 * i, 5 + i + (6 + i) * k)),
    }));
    const pipelines = tasks.map((_, task) => ({
      weight: 1 + (task % 3),
      visits: [{ task, ratio: 1 }],
    }));
    const program = { ...alone(1, 100), tasks, pipelines };
    const total = pipelines.reduce((sum, { weight }) => sum + weight, 0);
    let tops = [0, ...Array.from({ length: 100 }, () => Number.NEGATIVE_INFINITY)];
    for (const [i, { demandPerS, options }] of tasks.entries()) {
      const own = bestAlone(demandPerS, options, 100).map(
        (value) => (value * pipelines[i].weight) / total,
      );
      tops = tops.map((_, n) =>
        Math.max(...own.slice(0, n + 1).map((value, m) => value + tops[n - m])),
      );
    }
    const found = solve(program);
    expect(found).toMatchObject({ kind: "found" });
    if (found.kind !== "found") return;
    expect(found.gap).toBeLessThanOrEqual(GAP);
    const value = planValue(program, found.counts) as number;
    expect(tops[100] - value).toBeLessThanOrEqual(found.gap + 1e-9);
    expect(value).toBeLessThanOrEqual(tops[100] + 1e-9);
  });

  test("a bound that runs out is not read as infeasible, and gives the same plan each time", () => {
    const tasks = Array.from({ length: 10 }, (_, i) => ({
      demandPerS: 100 + 10 * i,
      options: ACCURACIES.map((accuracy, k) => option(accuracy, 12 + 9 * k)),
    }));
    const visits = tasks.map((_, task) => ({ task, ratio: 1 }));
    const program = { ...alone(1, 100), tasks, pipelines: [{ weight: 1, visits }] };
    expect(solve(program, 1)).toEqual({ kind: "unknown" });
    const found = solve(program, 40);
    expect(solve(program, 40)).toEqual(found);
    if (found.kind !== "found") throw new Error(found.kind);
    const { counts, gap } = found;
    // The bound: no plan exceeds the program without whole numbers.
    expect(gap).toBeGreaterThan(GAP);
    expect(accuracyOf(program, counts)).toBeGreaterThan(0.46);
    // The answer that the log keeps ends with it.
    const problem = { program, saves: false, mostNodes: 40 };
    const answer = planFor(problem);
    expect(answer).toHaveLength(counts.flat().length + 1);
    expect(answer[answer.length - 1]).toBe(Math.ceil(gap / GAP));
    expect(gapOf(problem, answer)).toBeCloseTo(gap, 3);
    expect(gapOf(problem, answer.slice(0, -1))).toBe(0);
    expect(gapOf(problem, [])).toBeNull();
  });
});

/** By devices: the best mean accuracy of a task alone on so many at most, jobs filling the most accurate first. */
function bestAlone(demandPerS: number, options: readonly Option[], most: number): number[] {
  const values = Array.from({ length: most + 1 }, () => Number.NEGATIVE_INFINITY);
  const visit = (k: number, used: number, rest: number, value: number): void => {
    if (rest <= 1e-9) values[used] = Math.max(values[used], value);
    if (rest <= 1e-9 || k === options.length || used > most) return;
    const { perS, accuracy } = options[k];
    for (let n = 0; n <= Math.min(most - used, Math.ceil(rest / perS)); n++) {
      const done = Math.min(rest, n * perS);
      visit(k + 1, used + n, rest - done, value + (done / demandPerS) * accuracy);
    }
  };
  visit(0, 0, demandPerS, 0);
  for (let n = 1; n <= most; n++) values[n] = Math.max(values[n], values[n - 1]);
  return values;
}
