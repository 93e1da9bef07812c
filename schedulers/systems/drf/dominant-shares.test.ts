import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../checks/support/test-form.test-support.ts";
import { type Amounts, DominantShares } from "./dominant-shares.ts";

interface FillingClient {
  readonly name: string;
  /** Demand of each of its tasks. */
  readonly demand: Amounts;
  readonly weight?: number;
  /** Default: as many as there is room for. */
  readonly tasks?: number;
}

/**
 * One task after another to the first of the order, from an empty cluster. `stop` ends at the first
 * task that does not fit, as algorithm 1 does; `skip` goes on with the clients whose tasks fit.
 */
function progressiveFilling(
  totals: Amounts,
  clients: readonly FillingClient[],
  whenFull: "stop" | "skip" = "stop",
): { readonly name: string; readonly share: number }[] {
  const sorter = new DominantShares(totals);
  clients.forEach(({ weight = 1 }, i) => {
    sorter.add(i, weight);
  });
  const open = new Set(clients.keys());
  const used = totals.map(() => 0);
  const steps: { name: string; share: number }[] = [];
  while (open.size > 0) {
    const next = sorter.order().find((i) => open.has(i)) as number;
    const { name, demand, tasks = Number.POSITIVE_INFINITY } = clients[next];
    const fits = used.every((amount, r) => amount + demand[r] <= totals[r]);
    if (!fits && whenFull === "stop") return steps;
    if (!fits || countOf(steps, name) >= tasks) {
      open.delete(next);
      continue;
    }
    demand.forEach((amount, r) => {
      used[r] += amount;
    });
    sorter.allocate(next, demand);
    steps.push({ name, share: sorter.shareOf(next) });
  }
  return steps;
}

const countOf = (steps: readonly { name: string }[], name: string): number =>
  steps.filter((step) => step.name === name).length;

describe("progressive filling", () => {
  /** Table 1 of the paper: 9 CPUs and 18 GB. */
  const totals = [9, 18];
  const a = { name: "A", demand: [1, 4] };
  const b = { name: "B", demand: [3, 1] };

  test("gives the paper's example B, A, A, B, A, with its shares", () => {
    const steps = progressiveFilling(totals, [b, a]);
    expect(steps.map(({ name }) => name).join("")).toBe("BAABA");
    expect(steps.map(({ share }) => share)).toEqual([1 / 3, 2 / 9, 4 / 9, 2 / 3, 2 / 3]);
    expect([countOf(steps, "A"), countOf(steps, "B")]).toEqual([3, 2]);
  });

  test("ends with the same allocation when the first tie goes to A", () => {
    const names = progressiveFilling(totals, [a, b]).map(({ name }) => name);
    expect(names.join("")).toBe("ABABA");
  });

  test("gives the room that one client's tasks do not fit in to the next, if it is to", () => {
    const c = { name: "C", demand: [0, 1] };
    const stopped = progressiveFilling(totals, [a, c], "stop");
    const skipping = progressiveFilling(totals, [a, c], "skip");
    expect([countOf(stopped, "A"), countOf(stopped, "C")]).toEqual([2, 8]);
    expect([countOf(skipping, "A"), countOf(skipping, "C")]).toEqual([2, 10]);
  });

  test("serves a client of twice the weight to twice the share", () => {
    const one = { name: "one", demand: [1, 0] };
    const two = { name: "two", demand: [0, 1], weight: 2 };
    const limited = progressiveFilling([30, 30], [one, { ...two, tasks: 20 }], "skip");
    expect(countOf(limited.slice(0, 30), "one")).toBe(10);
    expect(countOf(limited.slice(0, 30), "two")).toBe(20);
    const same = { demand: [1, 1] };
    const shared = progressiveFilling(
      [30, 30],
      [
        { name: "one", ...same },
        { name: "two", ...same, weight: 2 },
      ],
    );
    expect([countOf(shared, "one"), countOf(shared, "two")]).toEqual([10, 20]);
  });

  const anyClients = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(9)), {
    minLength: 1,
    maxLength: 5,
  });
  const clientsOf = (demands: readonly (readonly number[])[]): FillingClient[] =>
    demands.map(([x, y], i) => ({ name: `${i}`, demand: [x + (y === 0 ? 1 : 0), y] }));

  test("never exceeds a total, and leaves no room that a client could use", () => {
    fc.assert(
      fc.property(anyClients, fc.tuple(fc.nat(99), fc.nat(99)), (demands, room) => {
        const clients = clientsOf(demands);
        const steps = progressiveFilling(room, clients, "skip");
        const used = [0, 1].map((r) =>
          clients.reduce((sum, { name, demand }) => sum + countOf(steps, name) * demand[r], 0),
        );
        expect(used.every((amount, r) => amount <= room[r])).toBe(true);
        for (const { demand } of clients) {
          expect(demand.some((amount, r) => used[r] + amount > room[r])).toBe(true);
        }
      }),
      { numRuns: cases(200) },
    );
  });

  test("gives everyone at least an equal split, to within two tasks (section 3)", () => {
    fc.assert(
      fc.property(anyClients, (demands) => {
        const clients = clientsOf(demands);
        const steps = progressiveFilling([1000, 700], clients);
        for (const { name, demand } of clients) {
          const each = Math.max(demand[0] / 1000, demand[1] / 700);
          const largest = Math.max(...clients.flatMap((one) => one.demand)) / 700;
          const share = countOf(steps, name) * each;
          expect(share).toBeGreaterThanOrEqual(1 / clients.length - 2 * largest);
        }
      }),
      { numRuns: cases(200) },
    );
  });
});

describe("the sorter", () => {
  /** Clients by letter, with what each holds. */
  function sorterOf(totals: Amounts, held: Readonly<Record<string, Amounts>>, weights = {}) {
    const names = Object.keys(held);
    const sorter = new DominantShares(totals);
    names.forEach((name, i) => {
      sorter.add(i, (weights as Record<string, number>)[name] ?? 1);
      sorter.allocate(i, held[name]);
    });
    const order = (): string =>
      sorter
        .order()
        .map((i) => names[i])
        .join("");
    return { sorter, order, id: (name: string): number => names.indexOf(name) };
  }

  test("gives the orders that Mesos' own test expects", () => {
    const four = { a: [5, 5], b: [6, 6], c: [1, 1], d: [3, 1] };
    const { sorter, order, id } = sorterOf([100, 100], four);
    expect(order()).toBe("cdab");
    sorter.release(id("b"), [4, 4]);
    expect(order()).toBe("cbda");
    const five = { b: [2, 2], c: [1, 1], d: [3, 1], e: [1, 5] };
    expect(sorterOf([50, 100], five).order()).toBe("cbed");
    const six = { ...five, f: [5, 1] };
    const grown = sorterOf([50, 200], six);
    grown.sorter.allocate(grown.id("c"), [0, 15]);
    expect(grown.order()).toBe("ebdcf");
  });

  test("divides shares by weights", () => {
    const held = { a: [5, 5], b: [6, 6], c: [4, 4], d: [10, 20] };
    expect(sorterOf([100, 100], held, { b: 2, d: 10 }).order()).toBe("dbca");
    const others = { a: [5, 5], c: [4, 4], d: [20, 45], e: [1, 1] };
    const { sorter, order, id } = sorterOf([100, 100], others, { d: 10, e: 0.1 });
    expect(order()).toBe("cdae");
    expect(sorter.shareOf(id("d"))).toBeCloseTo(0.45, 12);
  });

  test("takes the client with fewer allocations of equal ones, then the one added first", () => {
    const sorter = new DominantShares([10]);
    for (const id of [2, 0, 1]) sorter.add(id, 1);
    expect(sorter.order()).toEqual([2, 0, 1]);
    sorter.allocate(2, [1]);
    sorter.release(2, [1]);
    expect(sorter.order()).toEqual([0, 1, 2]);
  });

  test("gives no share of a resource that nobody has, however much of it is held", () => {
    expect(sorterOf([0, 10], { a: [5, 1], b: [0, 2] }).order()).toBe("ab");
  });
});
