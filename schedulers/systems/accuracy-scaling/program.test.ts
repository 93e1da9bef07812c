/** The program's plan against exhaustive search, and against values by hand. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../checks/support/test-form.test-support.ts";
import { finished } from "../../../engine/basics/iterables.ts";
import { type Counts, type Program, type ProgramTask, solving } from "./program.ts";

const NODES = 1_000_000;
const solve = (program: Program, nodes = NODES) => finished(solving(program, nodes));
/** Null where none serves the demand. */
const best = (program: Program, nodes = NODES): Counts | null => {
  const solution = solve(program, nodes);
  return solution.kind === "found" ? solution.counts : null;
};

/** All counts of a task's options up to the devices. */
function* rows({ options }: ProgramTask, devices: number, at = 0): Generator<number[]> {
  if (at === options.length) {
    yield [];
    return;
  }
  for (let count = 0; count <= Math.min(options[at].most, devices); count++) {
    for (const rest of rows({ options, demandPerS: 0 }, devices - count, at + 1)) {
      yield [count, ...rest];
    }
  }
}

function* allCounts(program: Program, task = 0): Generator<Counts> {
  if (task === program.tasks.length) {
    yield [];
    return;
  }
  for (const row of rows(program.tasks[task], program.devices)) {
    for (const rest of allCounts(program, task + 1)) yield [row, ...rest];
  }
}

/**
 * The value of a plan by its definition: at each rank between two steps the product of what the tasks
 * answer there. Null where these counts do not serve the demand.
 */
function planValue({ tasks, pipelines, devices, room }: Program, counts: Counts): number | null {
  const served = tasks.map(({ demandPerS, options }, t) => {
    let until = 0;
    return options.map(({ perS, accuracy }, k) => {
      until += (counts[t][k] * perS) / demandPerS;
      return { until: Math.min(1, until), accuracy };
    });
  });
  const used = (of: (k: number, t: number) => number): number =>
    counts.reduce((sum, row, t) => row.reduce((all, n, k) => all + n * of(k, t), sum), 0);
  if (used(() => 1) > devices) return null;
  if (room.some((amount, r) => used((k, t) => tasks[t].options[k].demand[r]) > amount)) return null;
  if (served.some((steps) => (steps.at(-1)?.until ?? 0) < 1 - 1e-9)) return null;
  const ends = [...new Set([...served.flat().map(({ until }) => until), 1])].sort((a, b) => a - b);
  const at = (t: number, rank: number): number =>
    served[t].find(({ until }) => until > rank)?.accuracy ?? Number.NaN;
  return ends.reduce((sum, end, i) => {
    const from = i === 0 ? 0 : ends[i - 1];
    if (end - from < 1e-12) return sum;
    const middle = (from + end) / 2;
    const values = pipelines.map(({ weight, visits }) =>
      visits.reduce((product, { task, ratio }) => {
        return product * (1 - ratio + ratio * at(task, middle));
      }, weight),
    );
    return sum + (end - from) * values.reduce((all, value) => all + value, 0);
  }, 0);
}

function exhaustive(program: Program): number | null {
  let best: number | null = null;
  for (const counts of allCounts(program)) {
    const value = planValue(program, counts);
    if (value !== null && (best === null || value > best)) best = value;
  }
  return best;
}

const tasks = fc.record({
  demandPerS: fc.integer({ min: 1, max: 80 }),
  options: fc
    .array(
      fc.record({
        pool: fc.constant(0),
        accuracy: fc.integer({ min: 50, max: 99 }).map((percent) => percent / 100),
        perS: fc.integer({ min: 5, max: 50 }),
        most: fc.integer({ min: 1, max: 4 }),
        demand: fc.tuple(fc.integer({ min: 0, max: 3 })),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((options) => options.sort((a, b) => b.accuracy - a.accuracy)),
});

const programs = fc
  .record({
    tasks: fc.array(tasks, { minLength: 1, maxLength: 2 }),
    devices: fc.integer({ min: 1, max: 4 }),
    room: fc.constantFrom([4], [7], [Number.POSITIVE_INFINITY]),
    ratio: fc.constantFrom(1, 0.5),
    apart: fc.boolean(),
  })
  .map(({ tasks, devices, room, ratio, apart }): Program => {
    const visits = tasks.map((_, task) => ({ task, ratio: task === 0 ? 1 : ratio }));
    const pipelines = apart
      ? visits.map((one) => ({ weight: one.task + 1, visits: [one] }))
      : [{ weight: 1, visits }];
    return { tasks, devices, room, pipelines };
  });

test("the optimum is that of exhaustive search, and infeasible is infeasible", () => {
  fc.assert(
    fc.property(programs, (program) => {
      const most = exhaustive(program);
      const found = solve(program);
      if (found.kind !== "found") expect([found.kind, most]).toEqual(["infeasible", null]);
      else {
        expect(found.isBest).toBe(true);
        expect(planValue(program, found.counts)).toBeCloseTo(most ?? Number.NaN, 9);
      }
    }),
    { numRuns: cases(300) },
  );
});

const option = (accuracy: number, perS: number, most = 16) => ({
  pool: 0,
  accuracy,
  perS,
  most,
  demand: [],
});
const alone = (demandPerS: number, devices: number): Program => ({
  tasks: [{ demandPerS, options: [option(0.9, 10), option(0.6, 40)] }],
  pipelines: [{ weight: 1, visits: [{ task: 0, ratio: 1 }] }],
  devices,
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

  test("more than the devices can do has no plan", () => {
    expect(best(alone(161, 4))).toBeNull();
  });

  test("in a chain the best answers of both tasks are the same requests'", () => {
    const task = { demandPerS: 20, options: [option(0.9, 10), option(0.5, 20)] };
    const visits = [0, 1].map((one) => ({ task: one, ratio: 1 }));
    const program = {
      tasks: [task, task],
      pipelines: [{ weight: 1, visits }],
      devices: 4,
      room: [],
    };
    // Half of the requests get 0.9 twice; in any other coupling fewer do.
    expect(
      planValue(program, [
        [1, 1],
        [1, 1],
      ]),
    ).toBeCloseTo((0.81 + 0.25) / 2, 12);
    expect(best(program)).toEqual([
      [2, 0],
      [2, 0],
    ]);
  });

  test("sixteen devices and twelve variants need few nodes, the same each time", () => {
    const tasks = [40, 60, 30].map((demandPerS) => ({
      demandPerS,
      options: [option(0.95, 4), option(0.9, 9), option(0.8, 16), option(0.6, 30)],
    }));
    const visits = tasks.map((_, task) => ({ task, ratio: 1 }));
    const program = { tasks, pipelines: [{ weight: 1, visits }], devices: 16, room: [] };
    const whole = best(program) as Counts;
    expect(best(program, 20_000)).toEqual(whole);
    const hasty = solve(program, 500);
    expect(solve(program, 500)).toEqual(hasty);
    expect(hasty).toMatchObject({ kind: "found", isBest: false });
    const value = planValue(program, best(program, 500) as Counts) as number;
    expect(value).toBeLessThan(planValue(program, whole) as number);
    const pauses = [...solving(program, 1000)];
    expect(pauses.length, "a gateway does its other work meanwhile").toBe(4);
  });
});

test("a bound that runs out is not read as infeasible: the plan of the fastest variants serves the demand", () => {
  const tasks = Array.from({ length: 10 }, (_, i) => ({
    demandPerS: 100 + 10 * i,
    options: [0.95, 0.9, 0.85, 0.8, 0.75, 0.7].map((accuracy, k) =>
      option(accuracy, 12 + 9 * k, 100),
    ),
  }));
  const visits = tasks.map((_, task) => ({ task, ratio: 1 }));
  const program = { tasks, pipelines: [{ weight: 1, visits }], devices: 100, room: [] };
  for (const nodes of [1, 10, 1000]) {
    const solution = solve(program, nodes);
    expect(solution).toMatchObject({ kind: "found", isBest: false });
    expect(planValue(program, best(program, nodes) as Counts)).toBeGreaterThanOrEqual(
      0.7 ** 10 - 1e-9,
    );
  }
  // One heavy replica leaves no room for what else it takes; three light ones fit.
  const options = [
    { ...option(0.9, 30), demand: [1] },
    { ...option(0.6, 40), demand: [3] },
  ];
  const tight = { ...alone(90, 3), tasks: [{ demandPerS: 90, options }], room: [4] };
  expect(solve(tight, 1)).toEqual({ kind: "unknown" });
  expect(best(tight)).toEqual([[3, 0]]);
});
