/** The program's plan against exhaustive search, and against values by hand. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { finished } from "../../../core/iterables.ts";
import { cases } from "../../../core/test-form.test-support.ts";
import { type Counts, type Program, type ProgramTask, solving } from "./program.ts";

const NODES = 1_000_000;

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
      const best = exhaustive(program);
      const found = finished(solving(program, NODES));
      if (best === null) expect(found).toBeNull();
      else expect(planValue(program, found as Counts)).toBeCloseTo(best, 9);
    }),
    { numRuns: cases(300) },
  );
});

const option = (accuracy: number, perS: number, most = 16) => ({
  ...{ pool: 0, accuracy, perS, most, demand: [] },
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
    expect(finished(solving(program, NODES))).toEqual(counts);
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
    expect(finished(solving(program(5), NODES))).toEqual([[1, 1]]);
    expect(finished(solving(program(4), NODES))).toEqual([[0, 1]]);
    expect(finished(solving(program(1), NODES))).toBeNull();
  });

  test("more than the devices can do has no plan", () => {
    expect(finished(solving(alone(161, 4), NODES))).toBeNull();
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
    expect(finished(solving(program, NODES))).toEqual([
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
    const best = finished(solving(program, NODES)) as Counts;
    expect(finished(solving(program, 20_000))).toEqual(best);
    const hasty = finished(solving(program, 500)) as Counts;
    expect(finished(solving(program, 500))).toEqual(hasty);
    expect(planValue(program, hasty)).toBeLessThan(planValue(program, best) as number);
    expect(finished(solving(program, 3))).toBeNull();
    const pauses = [...solving(program, 1000)];
    expect(pauses.length, "a gateway does its other work meanwhile").toBe(4);
  });
});
