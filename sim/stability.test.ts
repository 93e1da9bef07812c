/** Overload is recognised, and nothing else is taken for it, through public scenarios. */
import { describe, expect, test } from "vitest";
import { judgeStability, type StabilityVerdict } from "../engine/stability/judge-stability.ts";
import type { OfferedLoad } from "../engine/stability/offered-load.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { configurationLoad } from "./replication.ts";
import { NO_INPUTS, replicate, scenarioOf } from "./scenario.test-support.ts";

const poisson = (ratePerS: number, requests = 5000) => ({
  workload: { arrivals: "poisson", ratePerS, requests },
});

interface Judged extends StabilityVerdict {
  readonly load: OfferedLoad | null;
}

function judge(sections: Readonly<Record<string, unknown>>, blind = false): Judged {
  const document: ScenarioDocument = scenarioOf(sections);
  const runs = replicate(document, 8);
  const load = blind ? null : configurationLoad(document, NO_INPUTS);
  return { ...judgeStability(document.workload, load, runs), load };
}

describe("an overloaded configuration", () => {
  test.each([102, 120, 400])("at %i/s for a capacity of 100/s is unstable", (rate) => {
    const { stability, note, load } = judge(poisson(rate));
    expect(load?.ratio).toBeCloseTo(rate / 100, 9);
    expect(stability).toBe("unstable");
    expect(note).toContain("serve is offered all that it can do or more");
  });

  test.each([110, 150])("at %i/s is recognised by its growth alone, too", (rate) => {
    expect(judge(poisson(rate), true).stability).toBe("unstable");
  });

  test("is one of 100.5% also where chance hides that it grows", () => {
    const load = { ratio: 1.005, station: "serve" };
    const { workload } = scenarioOf(poisson(100.5));
    const flat = { growth: { firstHalf: 0, secondHalf: 0 }, metrics: { dropRatio: 0 } };
    const refusing = { ...flat, metrics: { dropRatio: 0.01 } };
    expect(judgeStability(workload, load, [flat, flat, flat]).stability).toBe("unstable");
    expect(judgeStability(workload, load, [flat, flat, refusing]).stability).toBe("stable");
    const full = { ...load, ratio: 1 };
    expect(judgeStability(workload, full, [flat, flat, flat]).stability).toBe("stable");
  });

  test("is one that meets a bound on all requests only in the end", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 800 } };
    expect(judge({ ...poisson(150), scheduler }).stability).toBe("unstable");
  });

  test("is one whose nodes slow down under load", () => {
    const nodes = [{ name: "n", devices: { cpu: 2 }, contention: [1, 2] }];
    const cluster = { replicas: { serve: 2 }, nodes };
    const { stability, note, load } = judge({ ...poisson(130), cluster });
    expect(stability).toBe("unstable");
    expect(note).toContain("node n is offered all that it can do or more");
    expect(load?.ratio).toBeCloseTo(1.3, 9);
  });

  test("is one whose models evict each other, which no mean service time tells", () => {
    const service = { distribution: "exponential", meanMs: 10 };
    const model = { service, memoryMb: 60, loadMs: 20 };
    const nodes = [{ name: "n", devices: { gpu: { slots: 1, shared: true, memoryMb: 100 } } }];
    const sections = {
      pipelines: { p: { tasks: { a: { model: "a" }, b: { model: "b", after: ["a"] } } } },
      models: { a: model, b: model },
      cluster: { replicas: { a: 1, b: 1 }, nodes },
    };
    const { stability, note } = judge({ ...poisson(60), ...sections });
    expect(stability).toBe("unstable");
    expect(note).toContain("still grows");
  });
});

describe("a cluster that dies", () => {
  const faults = { scheduled: [{ kind: "crash", task: "serve", atS: 1 }] };

  test("is unstable, however few were served before and none after", () => {
    const { stability, note } = judge({ ...poisson(50), faults });
    expect(stability).toBe("unstable");
    expect(note).toContain("still grows");
  });

  test("is not stable either where its clients bound what waits", () => {
    const workload = { arrivals: "closed", clients: 5, durationS: 50 };
    expect(judge({ workload, faults }).stability).toBe("unknown");
    expect(judge({ workload }).stability).toBe("stable");
  });
});

describe("a configuration that keeps up", () => {
  test.each([30, 70, 90, 95])("at %i/s for a capacity of 100/s is stable", (rate) => {
    expect(judge(poisson(rate, 20_000)).stability).toBe("stable");
    expect(judge(poisson(rate, 20_000), true).stability).not.toBe("unstable");
  });

  test("but was not run for long at 99% is never called unstable", () => {
    expect(judge(poisson(99, 2000)).stability).not.toBe("unstable");
  });

  test("by refusing what is too much is stable", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 5 } };
    expect(judge({ ...poisson(150), scheduler }).stability).toBe("stable");
  });

  test("by full batches is stable, although one by one would be too slow", () => {
    const models = {
      server: { service: { distribution: "exponential", meanMs: 10, batch: { marginal: 0.1 } } },
    };
    const scheduler = { batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 5 } };
    expect(judge({ ...poisson(200, 10_000), models, scheduler }).stability).toBe("stable");
  });
});

describe("a workload without an arrival rate of its own", () => {
  test("a closed loop is stable, however many its clients", () => {
    const workload = { arrivals: "closed", clients: 500, durationS: 50 };
    expect(judge({ workload })).toEqual({ stability: "stable", load: null });
  });

  test("a rate that climbs past the capacity is no steady overload", () => {
    const rates = [
      { atS: 0, ratePerS: 20 },
      { atS: 60, ratePerS: 140 },
    ];
    const workload = { arrivals: "ramp", rates, durationS: 60 };
    const { stability, note } = judge({ workload });
    expect(stability).toBe("unknown");
    expect(note).toContain("still grows");
  });

  test("a burst is not judged", () => {
    const workload = { arrivals: "burst", requests: 1000 };
    expect(judge({ workload })).toEqual({ stability: "unknown", load: null });
  });
});
