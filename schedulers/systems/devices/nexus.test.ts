import { describe, expect, test } from "vitest";
import { RunLog } from "../../../engine/dispatch/run-log.ts";
import { replayLog } from "../../../engine/record/replay.ts";
import { scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../check-scheduler.ts";
import { CheckingDriver } from "../../contract.ts";
import { systemOf } from "../../contract-systems.test-support.ts";
import { createScheduler } from "../../create-scheduler.ts";

const [LONG, SHORT] = [0, 1];
/** One device; `long` takes 96 ms, a batch of b `short` ones 4 + (b − 1) ms. */
const SYSTEM = systemOf(
  scenarioSchema.parse({
    name: "window",
    pipelines: {
      long: { slo: { latencyMs: 400 }, tasks: { long: { model: "long" } } },
      short: { slo: { latencyMs: 40 }, tasks: { short: { model: "short" } } },
    },
    models: {
      long: { service: { distribution: "deterministic", meanMs: 96, batch: { max: 4 } } },
      short: {
        service: { distribution: "deterministic", meanMs: 4, batch: { marginal: 0.25, max: 64 } },
      },
    },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true } } }],
      replicas: { long: 1, short: 1 },
    },
    workload: { arrivals: "burst", requests: 1 },
  }),
);

function bench() {
  const log = new RunLog();
  const driver = new CheckingDriver(SYSTEM, createScheduler("nexus", SYSTEM, "1"), log);
  driver.joinAll();
  const arrive = (pipeline: number, count: number): void => {
    for (let i = 0; i < count; i++) driver.arrive(pipeline, 1);
    driver.decide();
  };
  const running = (): number[] => [0, 1].map((replica) => driver.busy.get(replica)?.length ?? 0);
  const end = (): void => {
    driver.drain();
    driver.checkConservation();
    expect(replayLog(SYSTEM, createScheduler("nexus", SYSTEM, "1"), log).divergence).toBeNull();
  };
  return { driver, arrive, running, end };
}

describe("early drop", () => {
  test("the window slides past a job that would be late in it, and the batch stays large", () => {
    const { driver, arrive, running, end } = bench();
    arrive(LONG, 1);
    driver.tick(60_000);
    arrive(SHORT, 1);
    driver.tick(30_000);
    arrive(SHORT, 7);
    driver.tick(6000);
    driver.finish(0);
    driver.decide();
    // At 96 ms the first alone would end at its deadline of 100 ms; all eight would take 11 ms.
    expect(running()).toEqual([0, 7]);
    expect(driver.outcomes.dropped).toBe(1);
    end();
  });

  test("no job is dropped where all are in time", () => {
    const { driver, arrive, running, end } = bench();
    arrive(LONG, 1);
    arrive(SHORT, 8);
    driver.tick(29_000);
    driver.finish(0);
    driver.decide();
    expect(running()).toEqual([0, 8]);
    expect(driver.outcomes.dropped).toBe(0);
    end();
  });

  test("the window is as long as the planned batch: 17 take 20 ms, half of the SLO", () => {
    const { driver, arrive, running, end } = bench();
    arrive(SHORT, 40);
    expect(running()).toEqual([0, 17]);
    driver.tick(20_000);
    driver.finish(1);
    driver.decide();
    expect(running()).toEqual([0, 17]);
    end();
  });
});

test("a device serves its models in turn", () => {
  const { driver, arrive, running, end } = bench();
  arrive(LONG, 8);
  arrive(SHORT, 1);
  expect(running()[0]).toBeGreaterThan(0);
  driver.tick(1000);
  driver.finish(0);
  driver.decide();
  expect(running()).toEqual([0, 1]);
  driver.finish(1);
  driver.decide();
  expect(running()[0]).toBeGreaterThan(0);
  end();
});

describe("a task on two devices, planned at 40 and 10 jobs per s", () => {
  // A batch of b takes 25 b ms: 8 of them half of the goal, so that one device does 40 of the 50 per s.
  const system = systemOf(
    scenarioSchema.parse({
      name: "two",
      pipelines: { p: { slo: { latencyMs: 400 }, tasks: { serve: { model: "server" } } } },
      models: {
        server: {
          service: { distribution: "deterministic", meanMs: 25, batch: { marginal: 1, max: 64 } },
        },
      },
      cluster: { nodes: [{ name: "host", count: 2, devices: { gpu: 1 } }], replicas: { serve: 2 } },
      workload: { arrivals: "burst", requests: 1 },
    }),
  );
  const scheduler = { preset: "nexus", controller: { policy: "nexus", ratePerS: 50 } };

  const play = () => {
    const log = new RunLog();
    const driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"), log);
    driver.joinAll();
    driver.decide();
    return {
      driver,
      arrive: (count: number): void => {
        for (let i = 0; i < count; i++) driver.arrive(0, 1);
        driver.decide();
      },
      running: (): number[] => [0, 1].map((replica) => driver.busy.get(replica)?.length ?? 0),
      end: (): void => {
        driver.drain();
        driver.checkConservation();
        expect(
          replayLog(system, createScheduler(scheduler, system, "1"), log).divergence,
        ).toBeNull();
      },
    };
  };

  test("each device in turn gets one, until its quantum of 200 ms is used up", () => {
    // Quantums are 8 and 2: 0 1 0 1 0 0 0 0 0 0.
    for (const [count, sizes] of [
      [1, [1, 0]],
      [2, [1, 1]],
      [3, [2, 1]],
      [4, [2, 2]],
      [7, [5, 2]],
      [10, [8, 2]],
    ] as const) {
      const { arrive, running, end } = play();
      arrive(count);
      expect(running(), `${count}`).toEqual(sizes);
      end();
    }
  });

  test("a job waits at its device while another is idle, and goes there when its own is lost", () => {
    const { driver, arrive, running, end } = play();
    arrive(10);
    driver.tick(50_000);
    driver.finish(1);
    // The quantum of the second is used up until 200 ms, and this seed's first draw takes the first.
    arrive(1);
    expect(running()).toEqual([8, 0]);
    driver.lose(0);
    driver.decide();
    // The eight that ran wait again, beside the one: four are the second's batch.
    expect(running()).toEqual([0, 4]);
    end();
  });

  test("where no quantum is left, a device is drawn by its planned rate", () => {
    const { driver, arrive, running, end } = play();
    arrive(10);
    driver.finish(0);
    driver.finish(1);
    let first = 0;
    for (let i = 0; i < 500; i++) {
      arrive(1);
      const [isFirst] = running();
      first += isFirst;
      driver.finish(isFirst === 1 ? 0 : 1);
    }
    // 40 of 50: within four standard deviations of a binomial.
    expect(Math.abs(first - 400)).toBeLessThan(4 * Math.sqrt(500 * 0.8 * 0.2));
    end();
  });

  test("a quantum is full again after 200 ms, not more than full", () => {
    const { driver, arrive, running, end } = play();
    driver.tick(1_000_000);
    arrive(10);
    expect(running()).toEqual([8, 2]);
    end();
  });
});

describe.each([
  ["clockwork", "aheadMs", -1],
  ["clockwork", "sizes", []],
  ["shepherd", "lambda", 1],
  ["nexus", "ratePerS", 0],
])("%s with %s: %j", (policy, parameter, value) => {
  test("is an issue at that parameter, and so is one that it does not have", () => {
    const controller = { policy, [parameter]: value };
    const [issue, ...more] = checkScheduler({ preset: policy, controller }, "scheduler");
    expect(more).toEqual([]);
    expect(issue.path).toBe(`scheduler.controller.${parameter}`);
    expect(issue.message).toContain(policy);
    const unknown = checkScheduler({ controller: { policy, spedMs: 1 } }, "scheduler");
    expect(unknown.map(({ path }) => path)).toEqual(["scheduler.controller.spedMs"]);
  });
});
