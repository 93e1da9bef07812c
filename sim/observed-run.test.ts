/** A run log as requests, batches and traces: it must agree with what the recorder counted itself. */
import { expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { criticalPath, type ObservedRun, observeRun } from "../engine/record/observed-run.ts";
import { runDetail } from "../engine/record/run-detail.ts";
import { type TraceEvent, traceEvents } from "../engine/record/trace-events.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

/** A diamond with a branch, batches, and a machine that crashes. */
const DIAMOND = scenarioOf({
  pipelines: {
    p: {
      slo: { latencyMs: 120, percentile: 90 },
      tasks: {
        a: { model: "fast" },
        b: { model: "slow", after: ["a"] },
        c: { model: "fast", after: ["a"], when: { probability: 0.5 } },
        d: { model: "fast", after: ["b", "c"] },
      },
    },
  },
  models: {
    fast: { service: { distribution: "exponential", meanMs: 5 } },
    slow: { service: { distribution: "lognormal", meanMs: 30, cv: 0.5 } },
  },
  cluster: {
    nodes: [{ name: "m", count: 2, devices: { gpu: 4 } }],
    replicas: { a: 2, b: 3, c: 1, d: 2 },
  },
  workload: { arrivals: "poisson", ratePerS: 40, durationS: 10, warmupS: 0 },
  faults: { scheduled: [{ kind: "crash", node: "m-2", atS: 3, forS: 6 }] },
});

const [CRASH] = DIAMOND.faults?.scheduled ?? [];
const { p } = DIAMOND.pipelines;
/** One machine or the other, twice a second; `d` waits for the first of its predecessors only. */
const OFTEN: ScenarioDocument = {
  ...DIAMOND,
  pipelines: { p: { ...p, tasks: { ...p.tasks, d: { ...p.tasks.d, join: "first" } } } },
  faults: {
    ...(DIAMOND.faults as NonNullable<typeof DIAMOND.faults>),
    scheduled: Array.from({ length: 18 }, (_, i) => ({
      ...CRASH,
      node: `m-${1 + (i % 2)}`,
      atS: 0.5 + i / 2,
      forS: 0.2,
    })),
  },
};

/** A guard that reads along, of a writer that has more requests than places. */
const GUARDED = scenarioOf({
  pipelines: {
    p: {
      tasks: {
        look: { model: "looker" },
        write: { model: "writer", after: ["look"], tokens: { prompt: 50, output: 20 } },
        guard: { model: "looker", after: [{ task: "write", at: "first-token" }] },
      },
    },
  },
  models: {
    looker: { service: { distribution: "exponential", meanMs: 30 } },
    writer: { tokens: { steps: { prefill: [5, 0.1, 0], decode: [5, 0, 1] }, maxSequences: 2 } },
  },
  cluster: { replicas: { look: 1, write: 1, guard: 1 } },
  workload: { arrivals: "poisson", ratePerS: 15, requests: 200 },
});

interface Observed {
  readonly run: ObservedRun;
  readonly meanMs: number;
  readonly waitMs: number;
  readonly arrivals: number;
}

function observed(document: ScenarioDocument): Observed {
  const log = new RunLog();
  const { summary } = runReplication(document, NO_INPUTS, 0, { log });
  const run = observeRun(log, compileSystem(document, NO_INPUTS));
  return {
    run,
    meanMs: summary.metrics.latencyMeanMs ?? Number.NaN,
    waitMs: summary.metrics.queueWaitMeanMs ?? Number.NaN,
    arrivals: summary.requests,
  };
}

const steady = observed({ ...DIAMOND, faults: undefined });
const crashed = observed(DIAMOND);
const guarded = observed(GUARDED);

function completed({ requests }: ObservedRun) {
  return requests.filter(({ outcome }) => outcome === "completed");
}

test("requests, latencies and waits are those that the recorder counted", () => {
  for (const { run, meanMs, waitMs, arrivals } of [steady, guarded]) {
    expect(run.requests).toHaveLength(arrivals);
    const latencies = completed(run).map(({ arrivedUs, endUs }) => (endUs - arrivedUs) / 1000);
    const mean = latencies.reduce((sum, ms) => sum + ms, 0) / latencies.length;
    expect(mean).toBeCloseTo(meanMs, 6);
    const spans = run.requests.flatMap((one) => one.spans);
    const waits = spans.reduce((sum, { readyUs, batch }) => sum + batch.startUs - readyUs, 0);
    expect(waits / 1000 / run.requests.length).toBeCloseTo(waitMs, 6);
  }
});

test("the critical path of each request adds up to its latency, also where a replica was lost", () => {
  for (const { run } of [steady, crashed, guarded]) {
    for (const request of completed(run)) {
      const path = criticalPath(request);
      const sum = path.reduce((us, { readyUs, untilUs }) => us + untilUs - readyUs, 0);
      expect(sum).toBe(request.endUs - request.seenUs);
      expect(path.at(-1)?.readyUs).toBe(request.seenUs);
    }
  }
});

test("a detail says what the slowest consist of, and when replicas were lost", () => {
  const options = { side: "simulated", id: "x", warmupUs: 0 } as const;
  const { tail, series, changes, services } = runDetail(crashed.run, options);
  const parts = tail.parts.reduce((sum, { waitMs, serviceMs }) => sum + waitMs + serviceMs, 0);
  expect(parts + tail.otherMs).toBeCloseTo(tail.meanMs, 6);
  expect(tail.parts.map(({ task }) => task)).toEqual(expect.arrayContaining(["a", "c", "d"]));
  expect(changes.map(({ text }) => text)).toEqual(
    expect.arrayContaining([expect.stringMatching(/ lost$/), expect.stringMatching(/ up again$/)]),
  );
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  expect(mean(series.arrivalsPerS)).toBeCloseTo(
    crashed.run.requests.length / ((series.widthMs * series.arrivalsPerS.length) / 1000),
    0,
  );
  const dips = Object.values(series.up).filter((up) => Math.min(...up) < Math.max(...up));
  expect(dips.length).toBeGreaterThan(0);
  expect(mean(services.b)).toBeGreaterThan(25);
  expect(runDetail(steady.run, options).changes).toEqual([]);
});

test("few requests make few stretches of time, and none of them is called slow", () => {
  const options = { side: "simulated", id: "x", warmupUs: 0 } as const;
  const requests = steady.run.requests.slice(0, 150);
  const { series, tail } = runDetail({ ...steady.run, requests }, options);
  expect(series.arrivalsPerS).toHaveLength(7);
  expect(series.highPercentile).toBe(90);
  expect([tail.count, tail.parts]).toEqual([0, []]);
  const whole = runDetail(steady.run, options).tail;
  expect(whole.count).toBe(20);
  expect(whole.ratio).toBeCloseTo(20 / completed(steady.run).length, 9);
});

test("a batch of a lost replica ends at the loss; its jobs are ready again then, and its successors wait for the run that ended", () => {
  const { batches, changes, requests, wholes } = observed(OFTEN).run;
  const losses = changes.filter(({ kind }) => kind === "lose");
  const lost = batches.filter((batch) => batch.lost);
  expect(lost.length).toBeGreaterThan(0);
  for (const { replica, startUs, endUs } of lost) {
    const at = losses.filter((loss) => loss.whole === wholes.of[replica] && loss.atUs >= startUs);
    expect(endUs).toBe(at[0]?.atUs);
  }
  const again = requests.flatMap(({ spans }) => spans.filter(({ after }) => after?.batch.lost));
  expect(again.length).toBeGreaterThan(0);
  for (const { task, readyUs, after } of again) {
    expect(after?.task).toBe(task);
    expect(readyUs).toBe(after?.batch.endUs);
  }
  const spans = requests.flatMap((one) => one.spans);
  const early = spans.filter(({ task, after }) => after?.batch.lost && after.task !== task);
  expect(early).toEqual([]);
  expect(steady.run.batches.some((batch) => batch.lost)).toBe(false);
});

function grouped<T>(all: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

/** Source: "Trace Event Format", the fields that each phase must have. */
function isEvent({ ph, ts, pid, tid, dur, id, id2, cat, bp, s }: TraceEvent): boolean {
  const numbers = [ts, pid, tid].every(Number.isFinite);
  const timed = ph !== "X" || (dur !== undefined && dur >= 0);
  // Perfetto's trace processor drops flows whose id is no whole number (`flow_invalid_id`).
  const isId = "sf".includes(ph) ? Number.isSafeInteger(id) : id2 !== undefined;
  const linked = !"sfbe".includes(ph) || (isId && cat !== undefined);
  const bound = (ph !== "f" || bp === "e") && (ph !== "i" || s === "t");
  return "XsfbeCiM".includes(ph) && numbers && timed && linked && bound;
}

test("a trace has the fields of its format; no slices of a track overlap; arrows lie in slices", () => {
  const events = [...traceEvents(crashed.run, { prefix: "", firstPid: 1 })];
  expect(events.filter((event) => !isEvent(event))).toEqual([]);
  const track = ({ pid, tid }: TraceEvent) => `${pid}/${tid}`;
  const slices = events.filter(({ ph }) => ph === "X").toSorted((a, b) => a.ts - b.ts);
  expect(slices).toHaveLength(crashed.run.batches.length);
  const freeUs = new Map<string, number>();
  const overlapping = slices.filter((slice) => {
    const free = freeUs.get(track(slice)) ?? 0;
    freeUs.set(track(slice), slice.ts + (slice.dur ?? 0));
    return slice.ts < free;
  });
  expect(overlapping).toEqual([]);
  const named = new Set(events.filter(({ name }) => name === "thread_name").map(track));
  expect(slices.filter((slice) => !named.has(track(slice)))).toEqual([]);
  const [starts, ends] = ["s", "f"].map((kind) => events.filter(({ ph }) => ph === kind));
  expect(starts.length).toBeGreaterThan(100);
  expect(new Set(starts.map(({ id }) => id)).size).toBe(starts.length);
  expect(starts.map(({ id }) => id).sort()).toEqual(ends.map(({ id }) => id).sort());
  const byTrack = grouped(slices, track);
  const outside = [...starts, ...ends].filter(
    (end) =>
      !byTrack.get(track(end))?.some(({ ts, dur = 0 }) => ts <= end.ts && end.ts <= ts + dur),
  );
  expect(outside).toEqual([]);
});

test("no replica's track has the number of its process: Perfetto draws that one first", () => {
  for (const firstPid of [1, 2, 3]) {
    const events = [...traceEvents(crashed.run, { prefix: "", firstPid })];
    expect(events.filter(({ pid, tid }) => pid === tid)).toEqual([]);
  }
});

test("asynchronous events begin and end in pairs of one id, within their request; names are few", () => {
  const events = [...traceEvents(crashed.run, { prefix: "", firstPid: 1 })];
  const asynchronous = events.filter(({ ph }) => ph === "b" || ph === "e");
  const byId = grouped(asynchronous, ({ id2 }) => id2?.local ?? "");
  const broken = [...byId.values()].filter(
    ([begin, end, ...more]) =>
      more.length > 0 || begin.ph !== "b" || end.ph !== "e" || begin.name !== end.name,
  );
  expect(broken).toEqual([]);
  const whole = new Map(crashed.run.requests.map((one) => [String(one.serial), one]));
  const outside = asynchronous.filter(({ id2, ts }) => {
    const { arrivedUs = 0, endUs = 0 } = whole.get(id2?.local.split(".")[0] ?? "") ?? {};
    return ts < arrivedUs || ts > Math.max(endUs, arrivedUs);
  });
  expect(outside).toEqual([]);
  const named = grouped(asynchronous, ({ name }) => name);
  const waits = ["a", "b", "c", "d"].map((task) => `wait for ${task}`);
  expect([...named.keys()].sort()).toEqual(["p", ...waits]);
  expect(named.get("p")).toHaveLength(2 * whole.size);
  const counters = grouped(
    events.filter(({ ph }) => ph === "C"),
    ({ name }) => name,
  );
  for (const own of counters.values()) {
    const jobs = own.map(({ args }) => Number(args?.jobs));
    expect(Math.min(...jobs)).toBe(0);
    expect(jobs.at(-1)).toBe(0);
    expect(own.map(({ ts }) => ts)).toEqual(own.map(({ ts }) => ts).toSorted((a, b) => a - b));
  }
});
