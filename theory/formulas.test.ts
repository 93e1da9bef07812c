/** The formulas against numbers from elsewhere: tables, closed forms of special cases, limits. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  impatientMM1,
  latencyProcessorSharing,
  latencyShared,
  waitsByPriority,
} from "./discipline-formulas.ts";
import {
  birthDeath,
  erlangB,
  erlangC,
  latencyFixedBatches,
  lossMMcK,
  waitExponentialBatches,
  waitMDc,
  waitMMc,
  waitToFill,
} from "./many-servers-formulas.ts";
import {
  latencyForkJoin2,
  meanValueAnalysis,
  orderStatistic,
  type Station,
} from "./network-formulas.ts";
import {
  busyAtArrivalGM1,
  constantGap,
  gammaGap,
  latencyGM1,
  latencyMMPP,
  latencyQuantileMM1,
  waitMG1,
  weibullCv,
  weibullGap,
} from "./single-server-formulas.ts";

const LOADS = [0.1, 0.5, 0.7, 0.9];

/**
 * Upper bound of the mean latency of batches without a limit that take `perJob` b + `fixed`.
 * Source: Inoue, "Queueing analysis of GPU-based inference servers with dynamic batching", 2021
 * (Performance Evaluation 147), theorem 2.
 */
function latencyBatchesAtMost(rate: number, perJob: number, fixed: number): number {
  const load = rate * perJob;
  const first =
    ((perJob + fixed) / (2 * (1 - load))) *
    (1 + 2 * rate * fixed + (1 - rate * fixed) / (1 + load));
  const second = (1.5 * fixed) / (1 - load) + ((perJob / 2) * (load + 2)) / (1 - load * load);
  return Math.min(first, second);
}

/**
 * A closed network by convolution. Source: Buzen, "Computational algorithms for closed queueing networks
 * with exponential servers", CACM 16(9), 1973.
 */
function convolution(clients: number, think: number, stations: readonly Station[]) {
  const weights = (demand: number, servers: number): number[] => {
    const result = [1];
    for (let n = 1; n <= clients; n++) result.push((result[n - 1] * demand) / Math.min(n, servers));
    return result;
  };
  const places = [
    weights(think, Number.POSITIVE_INFINITY),
    ...stations.map(({ mean, visits, servers }) => weights(mean * visits, servers)),
  ];
  const constants = places.reduce((left, right) =>
    left.map((_, n) => {
      let sum = 0;
      for (let k = 0; k <= n; k++) sum += left[k] * right[n - k];
      return sum;
    }),
  );
  const throughput = constants[clients - 1] / constants[clients];
  return { throughput, latency: clients / throughput - think };
}

describe("one server", () => {
  test.each(LOADS)("at %f: M/M/1 and its half, M/D/1", (load) => {
    expect(waitMG1(load, 1, 1)).toBeCloseTo(load / (1 - load), 12);
    expect(waitMG1(load, 1, 0)).toBeCloseTo(load / (1 - load) / 2, 12);
  });

  test("M/M/1's quantiles: the median and the mean of an exponential law", () => {
    expect(latencyQuantileMM1(0.5, 1, 0.5)).toBeCloseTo(2 * Math.LN2, 12);
    expect(latencyQuantileMM1(0.5, 1, 1 - Math.exp(-1))).toBeCloseTo(2, 12);
  });

  test("D/M/1 at 0.5: one minus the giant component of a random graph of mean degree 2", () => {
    // S = 1 − exp(−2 S) has the root 0.7968121300 (Erdős and Rényi 1960).
    expect(busyAtArrivalGM1(constantGap(0.5), 1)).toBeCloseTo(1 - 0.79681213, 8);
  });

  test.each(LOADS)("at %f: Erlang gaps of two phases by the root of their cubic", (load) => {
    const root = (1 + 4 * load - Math.sqrt(1 + 8 * load)) / 2;
    expect(busyAtArrivalGM1(gammaGap(load, Math.SQRT1_2), 1)).toBeCloseTo(root, 10);
  });

  test.each(LOADS)("at %f: gamma gaps of cv 1 are M/M/1, of cv 0 D/M/1", (load) => {
    expect(latencyGM1(gammaGap(load, 1), 1)).toBeCloseTo(1 / (1 - load), 8);
    const constant = latencyGM1(constantGap(load), 1);
    expect(latencyGM1(gammaGap(load, 1e-4), 1)).toBeCloseTo(constant, 5);
  });
});

describe("Weibull gaps", () => {
  // Its moments are gamma functions: 2 c² and 24 c⁴ at shape 1/2, sqrt(pi)/2 and 1 at shape 2.
  test("have the coefficients of variation of their shapes", () => {
    expect(weibullCv(0.5)).toBeCloseTo(Math.sqrt(5), 6);
    expect(weibullCv(1)).toBeCloseTo(1, 6);
    expect(weibullCv(2)).toBeCloseTo(Math.sqrt(4 / Math.PI - 1), 6);
  });

  test("of shape 1 are M/M/1, and of shape 2 have the transform of Rayleigh's law", () => {
    expect(latencyGM1(weibullGap(0.7, 1), 1)).toBeCloseTo(1 / 0.3, 4);
    // E exp(−s X) for X of mean sqrt(pi)/2 by its series: 1 − s m1 + s² m2/2 − ...
    const transform = weibullGap(2 / Math.sqrt(Math.PI), 2);
    const s = 0.01;
    const third = 0.75 * Math.sqrt(Math.PI);
    const series = 1 - (s * Math.sqrt(Math.PI)) / 2 + (s * s) / 2 - (s ** 3 * third) / 6;
    expect(transform(s)).toBeCloseTo(series, 8);
  });
});

describe("modulated arrivals", () => {
  const state = (rate: number, stay: number) => ({ rate, stay });

  test("of one rate in both states are M/M/1", () => {
    expect(latencyMMPP([state(0.7, 3), state(0.7, 8)], 1)).toBeCloseTo(1 / 0.3, 9);
  });

  test("that change fast see the mean rate, that change slowly each rate for itself", () => {
    expect(latencyMMPP([state(0.2, 1e-4), state(0.8, 1e-4)], 1)).toBeCloseTo(2, 2);
    const inSystem = (0.2 / 0.8 + 0.8 / 0.2) / 2;
    expect(latencyMMPP([state(0.2, 1e5), state(0.8, 1e5)], 1)).toBeCloseTo(inSystem / 0.5, 2);
  });
});

describe("several servers", () => {
  test.each([
    [5, 3, 0.1101],
    [10, 10, 0.2146],
    [15, 10, 0.0365],
    [20, 10, 0.00187],
  ])("Erlang's table: %i lines, %i erlang", (servers, load, blocked) => {
    expect(Math.abs(erlangB(servers, load) / blocked - 1)).toBeLessThan(0.002);
  });

  test.each(LOADS)("at %f: Erlang C for one and for two", (load) => {
    expect(erlangC(1, load)).toBeCloseTo(load, 12);
    expect(erlangC(2, 2 * load)).toBeCloseTo((2 * load * load) / (1 + load), 12);
    expect(waitMMc(2 * load, 1, 2)).toBeCloseTo((load * load) / (1 - load * load), 12);
  });

  test.each(LOADS)("at %f: M/D/1 by Crommelin is M/D/1 by Pollaczek and Khinchine", (load) => {
    expect(waitMDc(load, 1, 1)).toBeCloseTo(waitMG1(load, 1, 0), 9);
  });

  test.each([
    [2, 0.7],
    [4, 0.8],
    [8, 0.85],
  ])("M/D/%i at %f: the chain of requests seen every service time", (servers, load) => {
    const waiting = waitingByChain(servers, servers * load);
    expect(waitMDc(servers * load, 1, servers) * servers * load).toBeCloseTo(waiting, 8);
  });

  /** Crommelin's argument as a chain: after one service time all that were served have gone. */
  function waitingByChain(servers: number, load: number): number {
    const size = 600;
    const coming = [Math.exp(-load)];
    for (let n = 1; n < size; n++) coming.push((coming[n - 1] * load) / n);
    let share = new Array<number>(size).fill(0);
    share[0] = 1;
    for (let step = 0, change = 1; change > 1e-14 && step < 100_000; step++) {
      const next = new Array<number>(size).fill(0);
      share.forEach((p, n) => {
        const left = Math.max(0, n - servers);
        if (p > 1e-20) for (let k = 0; left + k < size; k++) next[left + k] += p * coming[k];
      });
      change = next.reduce((sum, p, n) => sum + Math.abs(p - share[n]), 0);
      share = next;
    }
    return share.reduce((sum, p, n) => sum + p * Math.max(0, n - servers), 0);
  }

  test("M/M/1/K by its closed form, M/M/c/c by Erlang B, room without end by Erlang C", () => {
    const closed = (0.1 * 0.9 ** 5) / (1 - 0.9 ** 6);
    expect(lossMMcK(0.9, 1, 1, 5).refused).toBeCloseTo(closed, 12);
    expect(lossMMcK(3.2, 1, 4, 4).refused).toBeCloseTo(erlangB(4, 3.2), 12);
    expect(lossMMcK(3.2, 1, 4, 500).waiting).toBeCloseTo(3.2 * waitMMc(3.2, 1, 4), 9);
  });

  test("a chain of births and deaths adds up to 1 and balances at each step", () => {
    const shares = birthDeath([3, 2, 1], [1, 2, 3]);
    expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(shares[1] * 2).toBeCloseTo(shares[2] * 2, 12);
  });
});

describe("processor sharing", () => {
  test("is M/M/1 with equal shares of one server, and M/M/c with c servers", () => {
    expect(latencyShared(0.7, 1, (n) => n, Number.POSITIVE_INFINITY)).toBeCloseTo(1 / 0.3, 9);
    expect(latencyProcessorSharing(0.7, 1)).toBeCloseTo(1 / 0.3, 12);
    expect(latencyShared(3.2, 1, () => 1, 4)).toBeCloseTo(1 + waitMMc(3.2, 1, 4), 9);
  });
});

describe("priorities", () => {
  test("two classes of 0.4 each: 4/3 and 20/3", () => {
    const [first, second] = waitsByPriority([
      { rate: 0.4, mean: 1, cv: 1 },
      { rate: 0.4, mean: 1, cv: 1 },
    ]);
    expect(first).toBeCloseTo(4 / 3, 12);
    expect(second).toBeCloseTo(20 / 3, 12);
  });

  test("keep the sum of load × wait, whatever the order (Kleinrock's conservation law)", () => {
    const classes = [
      { rate: 0.3, mean: 1, cv: 0.5 },
      { rate: 0.1, mean: 3, cv: 2 },
      { rate: 0.4, mean: 0.5, cv: 1 },
    ];
    const sum = (order: typeof classes): number =>
      waitsByPriority(order).reduce((s, wait, i) => s + order[i].rate * order[i].mean * wait, 0);
    expect(sum(classes)).toBeCloseTo(sum([...classes].reverse()), 12);
    expect(waitsByPriority([classes[1]])[0]).toBeCloseTo(waitMG1(0.1, 3, 2), 12);
  });
});

describe("impatient clients", () => {
  test("that wait for very long are M/M/1, that wait for no time are never answered", () => {
    const { answered, busy } = impatientMM1(0.7, 1, 200);
    expect(answered).toBeCloseTo(1, 9);
    expect(busy).toBeCloseTo(0.7, 9);
    expect(impatientMM1(0.7, 1, 1e-9).answered).toBeCloseTo(0, 6);
  });

  test("of a server that is nearly idle wait for their own service alone", () => {
    expect(impatientMM1(1e-9, 1, 1.3).answered).toBeCloseTo(1 - Math.exp(-1.3), 6);
  });

  test("whose work is integrated step by step give the same shares", () => {
    const [rate, patience, step] = [0.8, 2.5, 1e-4];
    let [area, answered] = [1, 1 - Math.exp(-patience)];
    for (let x = step / 2; x < patience; x += step) {
      const density = rate * Math.exp(-(1 - rate) * x);
      area += density * step;
      answered += density * (1 - Math.exp(x - patience)) * step;
    }
    area += rate * Math.exp(-(1 - rate) * patience);
    const exact = impatientMM1(rate, 1, patience);
    expect(exact.answered).toBeCloseTo(answered / area, 6);
    expect(exact.busy).toBeCloseTo(1 - 1 / area, 6);
  });
});

describe("fork and join", () => {
  test("without load is the larger of two exponential times", () => {
    expect(latencyForkJoin2(1e-12, 1)).toBeCloseTo(orderStatistic(1, 2, 2), 9);
  });

  test("of three: the least is a third of the mean, the largest 11/6 of it", () => {
    expect(orderStatistic(1, 3, 1)).toBeCloseTo(1 / 3, 12);
    expect(orderStatistic(1, 3, 3)).toBeCloseTo(11 / 6, 12);
  });
});

describe("closed networks", () => {
  const station = fc.record({
    mean: fc.double({ min: 0.1, max: 10, noNaN: true }),
    visits: fc.double({ min: 0.1, max: 2, noNaN: true }),
    servers: fc.integer({ min: 1, max: 5 }),
  });
  const stations = fc.array(station, { minLength: 1, maxLength: 4 });

  test("mean value analysis and convolution agree", () => {
    fc.assert(
      fc.property(stations, fc.integer({ min: 1, max: 12 }), fc.nat(20), (places, n, think) => {
        const left = meanValueAnalysis(n, think, places);
        const right = convolution(n, think, places);
        expect(left.throughput / right.throughput).toBeCloseTo(1, 6);
        expect(left.latency / right.latency).toBeCloseTo(1, 6);
      }),
    );
  });

  test("of m equal stations without a pause pass n / (n + m − 1) of a station's speed", () => {
    const places = new Array(3).fill({ mean: 2, visits: 1, servers: 1 });
    expect(meanValueAnalysis(4, 0, places).throughput).toBeCloseTo(4 / (2 * (4 + 3 - 1)), 12);
  });

  test("with a server for each client are never late", () => {
    const places = [{ mean: 5, visits: 1, servers: 7 }];
    expect(meanValueAnalysis(7, 3, places).latency).toBeCloseTo(5, 9);
  });
});

describe("batches", () => {
  test("of one are M/M/1 and M/D/1", () => {
    expect(waitExponentialBatches(0.7, 1, 1)).toBeCloseTo(0.7 / 0.3, 6);
    expect(latencyFixedBatches(0.7, () => 1, 1, 400)).toBeCloseTo(1 + waitMG1(0.7, 1, 0), 8);
  });

  test("in which everybody fits: half a batch's time to wait for the next, when it is busy", () => {
    expect(latencyFixedBatches(8, () => 1, 1000, 400)).toBeCloseTo(1.5, 2);
  });

  test.each([
    [0.5, 1, 1],
    [0.8, 1, 2],
    [0.3, 1, 3],
    [0.3, 2, 5],
    [3, 0.2, 1],
  ])("at a rate of %f, in %f b + %f: below Inoue's bound, and near it", (rate, perJob, fixed) => {
    const exact = latencyFixedBatches(rate, (b) => perJob * b + fixed, 1000, 400);
    const bound = latencyBatchesAtMost(rate, perJob, fixed);
    expect(exact).toBeLessThan(bound);
    expect(exact).toBeGreaterThan(0.9 * bound);
  });

  test("to fill eight at a rate of one an arrival waits for 3.5 others on average", () => {
    const waits = Array.from({ length: 8 }, (_, place) => 7 - place);
    expect(waitToFill(1, 8)).toBe(waits.reduce((sum, wait) => sum + wait, 0) / 8);
  });
});
