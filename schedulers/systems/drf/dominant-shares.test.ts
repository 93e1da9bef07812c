import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../core/test-form.test-support.ts";
import { DominantShares, type FillingClient, progressiveFilling } from "./dominant-shares.ts";

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
  test("gives the orders that Mesos' own test expects, as clients and the cluster change", () => {
    const sorter = new DominantShares<string>([100, 100]);
    const allocate = (name: string, amounts: number[], weight = 1): void => {
      sorter.add(name, weight);
      sorter.allocate(name, amounts);
    };
    allocate("a", [5, 5]);
    allocate("b", [6, 6]);
    expect(sorter.order().join("")).toBe("ab");
    allocate("c", [1, 1]);
    allocate("d", [3, 1]);
    expect(sorter.order().join("")).toBe("cdab");
    sorter.remove("a");
    sorter.release("b", [4, 4]);
    expect(sorter.order().join("")).toBe("cbd");
    allocate("e", [1, 5]);
    sorter.setTotals([50, 100]);
    expect(sorter.order().join("")).toBe("cbed");
    sorter.setTotals([50, 200]);
    allocate("f", [5, 1]);
    sorter.allocate("c", [0, 15]);
    expect(sorter.order().join("")).toBe("ebdcf");
    expect(sorter.usedBy("c")).toEqual([1, 16]);
  });

  test("divides shares by weights", () => {
    const sorter = new DominantShares<string>([100, 100]);
    const clients: [string, number, number[]][] = [
      ...([
        ["a", 1, [5, 5]],
        ["b", 2, [6, 6]],
        ["c", 1, [4, 4]],
      ] as [string, number, number[]][]),
      ["d", 10, [10, 20]],
    ];
    for (const [name, weight, amounts] of clients) {
      sorter.add(name, weight);
      sorter.allocate(name, amounts);
    }
    expect(sorter.order().join("")).toBe("dbca");
    sorter.remove("b");
    sorter.allocate("d", [10, 25]);
    expect(sorter.order().join("")).toBe("cda");
    sorter.add("e", 0.1);
    sorter.allocate("e", [1, 1]);
    expect(sorter.order().join("")).toBe("cdae");
    expect(sorter.shareOf("d")).toBeCloseTo(0.45, 12);
  });

  test("takes the client with fewer allocations of equal ones, then the one added first", () => {
    const sorter = new DominantShares<number>([10]);
    for (const name of [2, 0, 1]) sorter.add(name);
    expect(sorter.order()).toEqual([2, 0, 1]);
    sorter.allocate(2, [1]);
    sorter.release(2, [1]);
    expect(sorter.order()).toEqual([0, 1, 2]);
    expect(new DominantShares<number>([0]).order()).toEqual([]);
  });
});
