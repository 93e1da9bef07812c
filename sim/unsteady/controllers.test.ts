/** Controllers that pre-empt, load and evict in virtual time; each log replays. */
import { expect, test } from "vitest";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import type { Controller } from "../../engine/dispatch/controller.ts";
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import { type LogEntry, RunLog } from "../../engine/dispatch/run-log.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "../scenario.test-support.ts";
import { Simulation } from "../simulation.ts";

/** Requests at given instants under one controller; its log replays. */
function runOf(
  arrivalsMs: readonly number[],
  sections: Readonly<Record<string, unknown>>,
  make: () => Controller,
): { readonly entries: readonly LogEntry[]; readonly recorder: RunRecorder } {
  const workload = { arrivals: "trace", file: "times.csv", column: "t" };
  const document = scenarioOf({ workload, ...sections });
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = (): Scheduler => ({
    ...createScheduler("fifo", system, "1"),
    controllers: [make()],
  });
  const log = new RunLog();
  const timesUs = arrivalsMs.map((ms) => ms * 1000);
  const arrivals = arrivalSource(document.workload, "1", timesUs);
  const simulation = new Simulation({
    system,
    scheduler: scheduler(),
    arrivals,
    seed: "1",
    warmupUs: 0,
    log,
    sizes: null,
    requests: null,
  });
  simulation.advance(Number.POSITIVE_INFINITY);
  const { recorder, stopped } = simulation.output();
  expect(stopped).toBeNull();
  expect(recorder.outcomes.completed).toBe(arrivalsMs.length);
  expect(replayLog(system, scheduler(), log).divergence).toBeNull();
  return { entries: log.entries, recorder };
}

const logOf = (...args: Parameters<typeof runOf>): readonly LogEntry[] => runOf(...args).entries;

const of = (entries: readonly LogEntry[], ...kinds: readonly LogEntry[0][]) =>
  entries.filter(([kind]) => kinds.includes(kind));

test("a pre-empted batch ends at once, and its job runs anew with those that came", () => {
  const make = (): Controller => ({
    pools: [0],
    scales: [],
    timers: 0,
    preempts: true,
    decide: (view, act) => {
      if (view.running(0) === 1 && view.queue(0).length === 2) act.preempt(0);
      if (view.running(0) === 0 && view.queue(0).length > 0) act.startNext(0, 3);
    },
  });
  const server = { ...(fixedService(10) as object), stoppable: true };
  const entries = logOf([0, 4, 6], { models: { server } }, make);
  expect(of(entries, "start").map(([, , nowUs, ...jobs]) => [nowUs, jobs.length])).toEqual([
    [0, 1],
    [6000, 3],
  ]);
  expect(of(entries, "finish").map(([, , nowUs]) => nowUs)).toEqual([16_000]);
});

test("a released replica that is pre-empted leaves, and is paid for no longer", () => {
  const make = (): Controller => ({
    pools: [0],
    scales: [0],
    timers: 0,
    preempts: true,
    decide: (view, act) => {
      if (view.queue(0).length === 0) return;
      if (view.standing(0) === "ordered" && view.running(0) === 0) act.startNext(0, 1);
      else if (view.standing(0) === "ordered") act.release(0);
      else if (view.standing(0) === "leaving") act.preempt(0);
      else if (view.running(1) === 0) act.startNext(1, 1);
    },
  });
  const nodes = [{ name: "n", count: 2, costPerHour: 1, devices: { d: 1 } }];
  const cluster = { nodes, replicas: { serve: 2 } };
  const server = { ...(fixedService(100) as object), stoppable: true };
  const sections = { models: { server }, cluster };
  const { recorder } = runOf([0, 4, 100], sections, make);
  // One of two machines for 4 of the 100 ms until the last arrival, the other all the time.
  expect(recorder.replicas?.costPerHour()).toBeCloseTo(1 + 4 / 100, 9);
});

test("a model is loaded by command before its first request, and evicted after it", () => {
  const make = (): Controller => {
    let served = 0;
    let evicted = false;
    return {
      pools: [],
      scales: [],
      timers: 1,
      loads: true,
      begin: (_, act) => act.wakeAt(0, 2000),
      woken: (_timer, view, act) => {
        expect(view.residency(0, 0)).toBe("absent");
        act.load(0, 0);
      },
      finished: () => {
        served++;
      },
      decide: (_, act) => {
        if (served === 0 || evicted) return;
        evicted = true;
        act.evict(0, 0);
      },
    };
  };
  const server = { ...(fixedService(10) as object), loadMs: 30, memoryMb: 10 };
  const entries = logOf([40, 60], { models: { server } }, make);
  const states = of(entries, "residency").map(([, , , state, nowUs]) => [state, nowUs]);
  // Absent, loading, resident are 0, 1, 2.
  expect(states).toEqual([
    [1, 2000],
    [2, 32_000],
    [0, 50_000],
    [1, 60_000],
    [2, 90_000],
  ]);
  expect(of(entries, "finish").map(([, , nowUs]) => nowUs)).toEqual([50_000, 100_000]);
  expect(of(entries, "evict")).toEqual([["evict", 0, 0, 50_000]]);
});

test("a run ends with its last request, although a controller's timer goes on", () => {
  let wakes = 0;
  const make = (): Controller => ({
    pools: [],
    scales: [],
    timers: 1,
    begin: (_, act) => act.wakeAt(0, 3000),
    woken: (_timer, { nowUs }, act) => {
      wakes++;
      act.wakeAt(0, nowUs + 3000);
    },
  });
  logOf([0], { models: { server: fixedService(10) } }, make);
  expect(wakes).toBe(6);
});
