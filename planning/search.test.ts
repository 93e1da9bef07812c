/** A task does its part with so many replicas; a goal wants the parts to come to something. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { placeReplicas } from "../core/placement.ts";
import { clusterSchema, nodeSchema } from "../core/scenario/schema/cluster.ts";
import { allocations, sum } from "./allocations.ts";
import { type Machines, roomOn } from "./machines.ts";
import { cheapest, type Problem } from "./search.ts";

type World = Problem<{ readonly meets: boolean }>;

/** Of the kinds of machines: the last is of no use. */
const SPEEDS = [1, 2, 0];

/** Slots of some memory each, in a node of their own. */
type Bank = readonly [slots: number, memoryMb: number];

function nodesOf(banks: readonly Bank[]): Machines["nodes"] {
  const schema = z.array(nodeSchema);
  return schema.parse(
    banks.map(([slots, memoryMb], i) => ({ name: `n${i}`, devices: { gpu: { slots, memoryMb } } })),
  );
}

/** Whether replicas of models of these sizes have a slot each. */
function haveRoom(
  { nodes }: Machines,
  sizesMb: readonly number[],
  replicas: readonly number[],
): boolean {
  if (nodes === undefined) return true;
  const tasks = sizesMb.map((memoryMb, i) => {
    return {
      name: `t${i}`,
      task: `t${i}`,
      model: { name: `m${i}`, memoryMb, residency: "on-demand" },
    } as const;
  });
  const of = Object.fromEntries(tasks.map(({ name }, i) => [name, replicas[i]]));
  const { replicas: placed } = placeReplicas(clusterSchema.parse({ nodes, replicas: of }), tasks);
  const memoryOf = (node: number): number =>
    (Object.values(nodes[node].devices)[0] as { memoryMb: number }).memoryMb;
  return (
    placed.length === sum(replicas) &&
    placed.every(({ task, node }) => sizesMb[Number(task.slice(1))] <= memoryOf(node))
  );
}

/** `needs` are sums of replicas, weighted, that must reach a bound: more replicas never do harm. */
function world(
  tasks: number,
  needs: readonly { readonly weights: readonly number[]; readonly least: number }[],
  choices: readonly Machines[],
  { mostTrials = 1e6, sizesMb = Array<number>(tasks).fill(0) } = {},
): World {
  const served = (speed: number, replicas: readonly number[]) => ({
    meets: needs.every(
      ({ weights, least }) =>
        replicas.reduce((total, count, task) => total + speed * weights[task] * count, 0) >= least,
    ),
  });
  const bounds = { low: Array<number>(tasks).fill(1), high: Array<number>(tasks).fill(6) };
  return {
    bounds,
    choices,
    ...{ mostTrials, kinds: SPEEDS.length },
    roomOn: (some) => roomOn(some, sizesMb, bounds.high),
    trial: (some, replicas) =>
      haveRoom(some, sizesMb, replicas)
        ? served(Math.max(...some.kinds.map((kind) => SPEEDS[kind])), replicas)
        : null,
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

function machinesOf(cost: number, banks: readonly Bank[], kinds: readonly number[]): Machines {
  const slots = sum(banks.map(([count]) => count));
  return { cost, slots, counts: {}, nodes: nodesOf(banks), kinds };
}

const bank = fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3 }));

const offers = fc
  .array(
    fc.tuple(
      fc.integer({ min: 1, max: 50 }),
      fc.array(bank, { minLength: 1, maxLength: 3 }),
      fc.constantFrom([0], [1], [2], [0, 1], [0, 2], [0, 1, 2]),
    ),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) => all.map(([cost, banks, kinds]) => machinesOf(cost, banks, kinds)))
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
    sizesMb: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: tasks, maxLength: tasks }),
  }),
);

/** By trying every share of every choice of machines. */
function cheapestOfAll({ bounds, choices, trial }: World): number | null {
  for (const choice of choices) {
    const most = bounds.high.reduce((total, high) => total + high, 0);
    for (let total = bounds.low.length; total <= Math.min(choice.slots, most); total++) {
      for (const replicas of allocations(total, bounds)) {
        if (trial(choice, replicas)?.meets === true) return choice.cost;
      }
    }
  }
  return null;
}

describe("the cheapest machines that keep the goals", () => {
  test("are those found by trying everything", () => {
    fc.assert(
      fc.property(worlds, ({ tasks, needs, choices, sizesMb }) => {
        const problem = world(tasks, needs, choices, { sizesMb });
        const { found, proven } = solved(problem);
        expect(found?.machines.cost ?? null).toBe(cheapestOfAll(problem));
        expect(proven).toBe(true);
        if (found === null) return;
        expect(problem.trial(found.machines, found.replicas)).toEqual({ meets: true });
      }),
    );
  });

  test("are none where the most that is allowed misses, which a trial of each kind tells", () => {
    const problem = world(2, [{ weights: [1, 1], least: 25 }], [machines(1, 12)]);
    expect(solved(problem)).toMatchObject({ found: null, proven: true, trials: SPEEDS.length });
  });

  test("are not those that have no room for a model, which are counted", () => {
    const small = machinesOf(1, [[6, 1]], [0]);
    const large = machinesOf(2, [[6, 2]], [0]);
    const problem = world(2, [], [small, large], { sizesMb: [2, 1] });
    expect(solved(problem)).toMatchObject({ found: { machines: large }, withoutRoom: 1 });
  });

  test("are not called proven once the bound on trials is reached", () => {
    const needs = [{ weights: [2, 3, 1], least: 15 }];
    const choices = [5, 6, 7, 8, 9].map((slots) => machines(slots, slots));
    const { trials, found } = solved(world(3, needs, choices));
    expect(found?.machines.cost).toBe(6);
    const few = solved(world(3, needs, choices, { mostTrials: 1 }));
    expect(few).toMatchObject({ found: null, proven: false });
    expect(few.trials).toBeLessThan(trials);
  });
});
