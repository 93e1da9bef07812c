import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocations } from "./allocations.ts";
import type { Machines } from "./machines.ts";
import { cheapest, type Problem } from "./search.ts";

/** A task does its part with so many replicas; a goal wants the parts to come to something. */
type World = Problem<{ readonly meets: boolean }>;

/** Of the kinds of machines: the last is of no use. */
const SPEEDS = [1, 2, 0];

/** `needs` are sums of replicas, weighted, that must reach a bound: more replicas never do harm. */
function world(
  tasks: number,
  needs: readonly { readonly weights: readonly number[]; readonly least: number }[],
  choices: readonly Machines[],
  mostTrials = 1e6,
): World {
  const served = (speed: number, replicas: readonly number[]) => ({
    meets: needs.every(
      ({ weights, least }) =>
        replicas.reduce((total, count, task) => total + speed * weights[task] * count, 0) >= least,
    ),
  });
  return {
    bounds: { low: Array(tasks).fill(1), high: Array(tasks).fill(6) },
    choices,
    ...{ mostTrials, kinds: SPEEDS.length },
    trial: ({ kinds }, replicas) =>
      served(Math.max(...kinds.map((kind) => SPEEDS[kind])), replicas),
    trialAlone: (kind, replicas) => served(SPEEDS[kind], replicas),
  };
}

function solved(problem: World) {
  const steps = cheapest(problem);
  let next = steps.next();
  while (next.done !== true) next = steps.next();
  return next.value;
}

function machines(cost: number, slots: number, kinds: readonly number[] = [0]): Machines {
  return { cost, slots, counts: {}, nodes: undefined, kinds };
}

const offers = fc
  .array(
    fc.tuple(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom([0], [1], [2], [0, 1], [0, 2], [0, 1, 2]),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) => all.map(([cost, slots, kinds]) => machines(cost, slots, kinds)))
  .map((all) => all.toSorted((a, b) => a.cost - b.cost));

const worlds = fc.integer({ min: 1, max: 3 }).chain((tasks) =>
  fc.record({
    tasks: fc.constant(tasks),
    needs: fc.array(
      fc.record({
        weights: fc.array(fc.nat({ max: 3 }), { minLength: tasks, maxLength: tasks }),
        least: fc.nat({ max: 25 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    choices: offers,
  }),
);

/** By trying every share of every choice of machines. */
function cheapestOfAll({ bounds, choices, trial }: World): number | null {
  for (const choice of choices) {
    const most = bounds.high.reduce((total, high) => total + high, 0);
    for (let total = bounds.low.length; total <= Math.min(choice.slots, most); total++) {
      for (const replicas of allocations(total, bounds)) {
        if (trial(choice, replicas).meets) return choice.cost;
      }
    }
  }
  return null;
}

describe("the cheapest machines that keep the goals", () => {
  test("are those found by trying everything", () => {
    fc.assert(
      fc.property(worlds, ({ tasks, needs, choices }) => {
        const problem = world(tasks, needs, choices);
        const { found, proven } = solved(problem);
        expect(found?.machines.cost ?? null).toBe(cheapestOfAll(problem));
        expect(proven).toBe(true);
        if (found !== null) expect(problem.trial(found.machines, found.replicas).meets).toBe(true);
      }),
    );
  });

  test("are none where the most that is allowed misses, which a trial of each kind tells", () => {
    const problem = world(2, [{ weights: [1, 1], least: 25 }], [machines(1, 12)]);
    expect(solved(problem)).toMatchObject({ found: null, proven: true, trials: SPEEDS.length });
  });

  test("are not called proven once the bound on trials is reached", () => {
    const needs = [{ weights: [2, 3, 1], least: 15 }];
    const choices = [5, 6, 7, 8, 9].map((slots) => machines(slots, slots));
    const { trials, found } = solved(world(3, needs, choices));
    expect(found?.machines.cost).toBe(6);
    const few = solved(world(3, needs, choices, 1));
    expect(few).toMatchObject({ found: null, proven: false });
    expect(few.trials).toBeLessThan(trials);
  });
});
