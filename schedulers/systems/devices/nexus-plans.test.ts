import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type QueryNode, splitLatency } from "./latency-split.ts";
import { packSessions, type Session } from "./squishy-packing.ts";

/** Times of batches of 4, 8 and 16 in ms; others on straight lines between and beyond them. */
function timesUs(at4: number, at8: number, at16: number): number[] {
  const ms = (b: number): number =>
    b <= 8 ? at4 + ((at8 - at4) / 4) * (b - 4) : at8 + ((at16 - at8) / 8) * (b - 8);
  return Array.from({ length: 17 }, (_, b) => ms(b) * 1000);
}

describe("the paper's example (table 2)", () => {
  const a: Session = { ratePerS: 64, goalUs: 200_000, batchUs: timesUs(50, 75, 100) };
  const b: Session = { ratePerS: 32, goalUs: 250_000, batchUs: timesUs(50, 90, 125) };
  const c: Session = { ratePerS: 32, goalUs: 250_000, batchUs: timesUs(60, 95, 125) };
  const sharesOf = (...sessions: Session[]) =>
    packSessions(sessions).map(({ dutyUs, occupancy, shares }) => ({
      dutyUs,
      occupancy,
      batches: shares.map(({ batch, batchUs }) => [batch, batchUs]),
    }));
  const alone = { dutyUs: 125_000, occupancy: 0.6, batches: [[8, 75_000]] };
  const withB = {
    dutyUs: 125_000,
    occupancy: 1,
    batches: [
      [8, 75_000],
      [4, 50_000],
    ],
  };

  test("A takes batches of 8 in a duty cycle of 125 ms", () => {
    expect(sharesOf(a)).toEqual([alone]);
  });

  test("B fits beside it with batches of 4: 75 + 50 = 125 ms, at worst 175 ms", () => {
    expect(sharesOf(a, b)).toEqual([withB]);
  });

  test("C does not fit: its batch of 4 takes 60 ms", () => {
    expect(sharesOf(a, c)).toHaveLength(2);
    expect(sharesOf(a, c)).toContainEqual(alone);
  });

  test("the packing takes two devices, A with B on one of them", () => {
    expect(sharesOf(a, b, c)).toHaveLength(2);
    expect(sharesOf(a, b, c)).toContainEqual(withB);
  });

  test("an SLO shorter than one job's time has no share, one as long has a device for one job", () => {
    const one = { ratePerS: 1, batchUs: timesUs(50, 75, 100) };
    const [, firstUs] = one.batchUs;
    expect(packSessions([{ ...one, goalUs: firstUs - 1 }])).toEqual([]);
    expect(packSessions([{ ...one, goalUs: firstUs }])[0].shares[0].batch).toBe(1);
    expect(packSessions([{ ...one, ratePerS: 0, goalUs: 1e6 }])).toEqual([]);
    expect(packSessions([{ ...one, batchUs: [0], goalUs: 1e6 }])).toEqual([]);
  });
});

describe("the paper's split of a query X then Y (figure 4)", () => {
  const tables = [
    new Map([
      [40, 200],
      [50, 250],
      [60, 300],
    ]),
    new Map([
      [40, 300],
      [50, 400],
      [60, 500],
    ]),
  ];
  const nodes = (gamma: number): QueryNode[] =>
    tables.map((table, node) => ({
      ratePerS: node === 0 ? 1 : gamma,
      children: node === 0 ? [1] : [],
      throughputPerS: (budgetUs) => table.get(Math.round(budgetUs / 1000)) ?? 0,
    }));

  test.each([
    [0.1, [192.3, 235.3, 272.7], [60, 40]],
    [1, [142.9, 153.8, 150.0], [50, 50]],
    [10, [40.0, 34.5, 27.3], [40, 60]],
  ])("gamma %d: average throughputs %j, best %j", (gamma, averages, best) => {
    const found = [40, 50, 60].map((x) => {
      const [ofX, ofY] = [tables[0].get(x)!, tables[1].get(100 - x)!];
      return 1 / (1 / ofX + gamma / ofY);
    });
    found.forEach((average, i) => {
      expect(average).toBeCloseTo(averages[i], 1);
    });
    const split = splitLatency(nodes(gamma), 100_000, 10);
    expect(split?.budgetsUs.map((us) => us / 1000)).toEqual(best);
    expect(1 / (split?.devices ?? 0)).toBeCloseTo(Math.max(...averages), 1);
  });
});

test("time that adds no throughput goes to all nodes of a way, not to its end alone", () => {
  const node = (timeUs: number, ...children: number[]): QueryNode => ({
    ratePerS: 1,
    children,
    throughputPerS: (budgetUs) => (budgetUs < timeUs ? 0 : 1e6 / timeUs),
  });
  const times = [10_000, 20_000, 10_000, 30_000];
  // 0 leads to 1 and 2, 2 leads to 3.
  const nodes = [node(times[0], 1, 2), node(times[1]), node(times[2], 3), node(times[3])];
  expect(splitLatency(nodes, 1_000_000)?.budgetsUs).toEqual([200_000, 800_000, 200_000, 600_000]);
});

test("the split is the best of all splits of a tree", () => {
  const node = fc.record({
    ratePerS: fc.integer({ min: 1, max: 9 }),
    throughputs: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 6, maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.array(node, { minLength: 4, maxLength: 4 }), (drawn) => {
      // 0 leads to 1 and 2, 2 leads to 3; throughput grows with the budget.
      const children = [[1, 2], [], [3], []];
      const nodes = drawn.map(({ ratePerS, throughputs }, i): QueryNode => {
        const sorted = [...throughputs].sort((x, y) => x - y);
        return { ratePerS, children: children[i], throughputPerS: (us) => sorted[us - 1] };
      });
      let least = Number.POSITIVE_INFINITY;
      const need = (i: number, us: number) => nodes[i].ratePerS / nodes[i].throughputPerS(us);
      for (let x = 1; x <= 5; x++) {
        for (let y = 1; x + y <= 5; y++) {
          const sum = need(0, x) + need(1, 6 - x) + need(2, y) + need(3, 6 - x - y);
          least = Math.min(least, sum);
        }
      }
      const split = splitLatency(nodes, 6, 6);
      if (least === Number.POSITIVE_INFINITY) expect(split).toBeNull();
      else expect(split?.devices).toBeCloseTo(least, 9);
    }),
  );
});

const sessions: fc.Arbitrary<Session[]> = fc.array(
  fc
    .record({
      ratePerS: fc.integer({ min: 0, max: 400 }),
      goalMs: fc.integer({ min: 5, max: 500 }),
      firstMs: fc.integer({ min: 1, max: 40 }),
      marginal: fc.constantFrom(0, 0.1, 0.5, 1),
    })
    .map(({ ratePerS, goalMs, firstMs, marginal }) => ({
      ratePerS,
      goalUs: goalMs * 1000,
      batchUs: Array.from({ length: 33 }, (_, b) => firstMs * 1000 * (1 + marginal * (b - 1))),
    })),
  { maxLength: 8 },
);

test("every packing carries every feasible rate, keeps every SLO and overfills no device", () => {
  fc.assert(
    fc.property(sessions, (drawn) => {
      const devices = packSessions(drawn);
      for (const { dutyUs, shares, occupancy } of devices) {
        expect(occupancy).toBeLessThanOrEqual(1 + 1e-6);
        for (const { session, batchUs, batch } of shares) {
          expect(batch).toBeGreaterThan(0);
          if (shares.length > 1) {
            expect(dutyUs + batchUs).toBeLessThanOrEqual(drawn[session].goalUs + 1);
          }
        }
      }
      drawn.forEach(({ ratePerS, batchUs, goalUs }, id) => {
        const shares = devices.flatMap((device) => device.shares.filter((s) => s.session === id));
        const carried = shares.reduce((sum, share) => sum + share.ratePerS, 0);
        expect(carried).toBeCloseTo(batchUs[1] > goalUs ? 0 : ratePerS, 3);
      });
    }),
  );
});

/**
 * A profile of TITAN X: mean and standard deviation together, as the published scheduler takes it, and
 * the time of a request beside its batch: pre- and postprocessing, and 2 ms on the network.
 */
function profileOf(model: string): { batchUs: number[]; besidesUs: number } {
  const path = new URL(`../../../bench/study/measured/titanx-${model}.csv`, import.meta.url);
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .map((line) => line.split(",").map(Number));
  const sumUs = (line: readonly number[], from: number): number => line[from] + line[from + 1];
  const batches = lines.filter(({ length }) => length === 4).slice(1);
  const beside = lines.filter(
    ({ length }, i) => length === 2 && i > 3 && !Number.isNaN(lines[i][0]),
  );
  return {
    batchUs: [0, ...batches.map((line) => sumUs(line, 1))],
    besidesUs: beside.reduce((sum, line) => sum + sumUs(line, 0), 2000),
  };
}

describe("the published test with profiles of TITAN X", () => {
  const [vgg16, vggFace] = ["vgg16", "vgg_face"].map(profileOf);
  const session = (of: typeof vgg16, goalUs: number, ratePerS: number): Session => {
    const { batchUs, besidesUs } = of;
    return { ratePerS, goalUs: goalUs - besidesUs, batchUs };
  };

  test("vgg16 at 500 ms fills a device above 298 per s, by batches of 54", () => {
    const devicesAt = (ratePerS: number) => packSessions([session(vgg16, 500_000, ratePerS)]);
    for (const ratePerS of [50, 100, 150, 200, 250, 298]) {
      const [{ dutyUs, occupancy, shares }, ...more] = devicesAt(ratePerS);
      expect(more).toEqual([]);
      expect(occupancy).toBeLessThanOrEqual(1);
      expect((shares[0].batch / dutyUs) * 1e6).toBeGreaterThanOrEqual(ratePerS - 1e-6);
    }
    expect(devicesAt(300)).toHaveLength(2);
    expect(devicesAt(300)[0].shares[0].batch).toBe(54);
  });

  test.each([
    [50, true],
    [100, true],
    [125, true],
    [150, false],
    [200, false],
    [250, false],
  ])("beside 150 per s of it, vgg_face at 300 ms and %d per s fits: %s", (ratePerS, fits) => {
    const both = [session(vgg16, 500_000, 150), session(vggFace, 300_000, ratePerS)];
    expect(packSessions(both)).toHaveLength(fits ? 1 : 2);
  });
});
