/**
 * An observed run in the JSON trace event format, which ui.perfetto.dev and chrome://tracing open: a
 * process for each node, a track for each replica with its batches, arrows from batch to batch along each
 * request, asynchronous tracks of requests, of waits, and of each language model's engine with its sequences, and
 * counters of waiting jobs.
 * Source: "Trace Event Format", Google, https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
import type { JobSpan, ObservedRun } from "./observed-run.ts";

/** `ts` and `dur` are in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly cat?: string;
  /** Complete, flow start and finish, asynchronous begin and end, counter, instant, metadata. */
  readonly ph: "X" | "s" | "f" | "b" | "e" | "C" | "i" | "M";
  readonly ts: number;
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  /** A flow's id, a whole number: Perfetto drops others. */
  readonly id?: number;
  /** An asynchronous event's id within its process: Perfetto draws no others there. */
  readonly id2?: { readonly local: string };
  /** "e": a flow ends in the slice around it. */
  readonly bp?: "e";
  /** The scope of an instant: its thread, or its process. */
  readonly s?: "t" | "p";
  readonly args?: Readonly<Record<string, unknown>>;
}

interface Place {
  /** Before the names of processes; empty for a run alone. */
  readonly prefix: string;
  /** The first process number of this run. */
  readonly firstPid: number;
}

/** Process numbers that a run takes: one for requests, one for each node. */
export function tracePids({ system }: ObservedRun): number {
  return 1 + Math.max(1, system.nodes.length);
}

export function* traceEvents(run: ObservedRun, place: Place): Generator<TraceEvent> {
  yield* names(run, place);
  yield* batchEvents(run, place);
  yield* requestEvents(run, place);
  yield* changeEvents(run, place);
  yield* waitingCounters(run, place);
}

/** Whether a replica is a place of an engine, whose sequences overlap: no slices of a thread do. */
function isPlace({ wholes }: ObservedRun, replica: number): boolean {
  return wholes.places[wholes.of[replica]] > 1;
}

/**
 * The track of a replica. Track 0 of a process is for its counters and instants. No track has the number of a process:
 * Perfetto takes that one for the process's main thread, and draws it before the others.
 */
function trackOf(run: ObservedRun, replica: number, { firstPid }: Place) {
  const pid = firstPid + 1 + run.system.replicas[replica].node;
  return { pid, tid: isPlace(run, replica) ? 0 : firstPid + tracePids(run) + replica };
}

function* names(run: ObservedRun, place: Place): Generator<TraceEvent> {
  const { system } = run;
  const { prefix, firstPid } = place;
  const meta = (name: string, pid: number, tid: number, args: TraceEvent["args"] & {}) => {
    return { name, ph: "M", ts: 0, pid, tid, args } as const;
  };
  yield meta("process_name", firstPid, 0, { name: `${prefix}requests` });
  yield meta("process_sort_index", firstPid, 0, { sort_index: firstPid });
  for (const [node, { name }] of system.nodes.entries()) {
    yield meta("process_name", firstPid + 1 + node, 0, { name: `${prefix}${name}` });
    yield meta("process_sort_index", firstPid + 1 + node, 0, { sort_index: firstPid + 1 + node });
  }
  for (const [replica, { name, device }] of system.replicas.entries()) {
    if (isPlace(run, replica)) continue;
    const { pid, tid } = trackOf(run, replica, place);
    yield meta("thread_name", pid, tid, { name: `${name} (${device})` });
    yield meta("thread_sort_index", pid, tid, { sort_index: tid });
  }
}

function* batchEvents(run: ObservedRun, place: Place): Generator<TraceEvent> {
  const { system, batches, endUs } = run;
  for (const [i, { replica, startUs, endUs: ended, lost, serviceUs, jobs }] of batches.entries()) {
    const isOpen = !Number.isFinite(ended);
    const toUs = isOpen ? Math.max(endUs, startUs) : ended;
    const { pool, device } = system.replicas[replica];
    const at = { cat: "batch", ts: startUs, ...trackOf(run, replica, place) };
    const args = {
      batch: jobs.length,
      requests: jobs.map(({ request }) => request.serial),
      ...(Number.isFinite(serviceUs) ? { serviceMs: serviceUs / 1000 } : {}),
      ...(isOpen ? { unfinished: true } : {}),
      ...(lost ? { lost: true } : {}),
    };
    if (isPlace(run, replica)) {
      const name = `${run.wholes.names[run.wholes.of[replica]]} (${device})`;
      const sequence = { ...at, name, id2: { local: `sequence ${i}` } };
      yield { ...sequence, ph: "b", args };
      yield { ...sequence, ph: "e", ts: toUs };
      continue;
    }
    const { name } = system.pools[pool];
    yield { ...at, name: lost ? `${name} (lost)` : name, ph: "X", dur: toUs - startUs, args };
  }
  let flow = place.firstPid * MOST_FLOWS;
  for (const { jobs } of batches) for (const span of jobs) yield* arrow(run, span, place, flow++);
}

/** Each run in a file has its own range of so many flow numbers. */
const MOST_FLOWS = 2 ** 32;

/**
 * From the batch that a job waited for to its own. Both ends lie inside their slices; those of an engine are no thread's,
 * so no arrow can hold on to them.
 */
function* arrow(run: ObservedRun, span: JobSpan, place: Place, id: number): Generator<TraceEvent> {
  const { batch, after } = span;
  if (after === null || isPlace(run, batch.replica) || isPlace(run, after.batch.replica)) return;
  const flow = { name: "request", cat: "request", id };
  const from = after.batch;
  const fromUs = Math.max(from.startUs, from.endUs - 1);
  yield { ...flow, ph: "s", ts: fromUs, ...trackOf(run, from.replica, place) };
  yield { ...flow, ph: "f", bp: "e", ts: batch.startUs, ...trackOf(run, batch.replica, place) };
}

/**
 * Perfetto has a track for each name of asynchronous events, so names do not tell requests apart. A wait has its own id:
 * waits of parallel tasks overlap, and events of one id must nest.
 */
function* requestEvents(run: ObservedRun, { firstPid }: Place): Generator<TraceEvent> {
  const { system, requests, endUs } = run;
  for (const { serial, pipeline, arrivedUs, endUs: ended, outcome, spans } of requests) {
    const { name, tasks, sloUs: goalUs } = system.pipelines[pipeline];
    const at = { cat: "request", pid: firstPid, tid: 0 };
    const toUs = Number.isFinite(ended) ? ended : Math.max(endUs, arrivedUs);
    const whole = { ...at, name, id2: { local: String(serial) } };
    yield {
      ...whole,
      ph: "b",
      ts: arrivedUs,
      args: {
        request: serial,
        outcome: outcome ?? "unfinished",
        latencyMs: (toUs - arrivedUs) / 1000,
        ...(Number.isFinite(goalUs) ? { withinGoal: toUs - arrivedUs <= goalUs } : {}),
      },
    };
    yield { ...whole, ph: "e", ts: toUs };
    for (const [i, { task, readyUs, batch }] of spans.entries()) {
      if (batch.startUs <= readyUs || batch.startUs > toUs) continue;
      const id2 = { local: `${serial}.${i}` };
      const wait = { ...at, name: `wait for ${tasks[task].name}`, id2 };
      yield { ...wait, ph: "b", ts: readyUs, args: { request: serial } };
      yield { ...wait, ph: "e", ts: batch.startUs };
    }
  }
}

function* changeEvents(run: ObservedRun, place: Place): Generator<TraceEvent> {
  const words = { join: "up", lose: "lost", drain: "drained" } as const;
  for (const { whole, atUs, kind } of run.changes) {
    const [first, name] = [run.wholes.firsts[whole], run.wholes.names[whole]];
    const at = { cat: "replica", ph: "i", ts: atUs, ...trackOf(run, first, place) } as const;
    // An engine has no thread, and one of its own would have no name.
    if (isPlace(run, first)) yield { ...at, name: `${name} ${words[kind]}`, s: "p" };
    else yield { ...at, name: words[kind], s: "t" };
  }
}

/** The number of waiting jobs of each pool, whenever it changes. */
function* waitingCounters(run: ObservedRun, { firstPid }: Place): Generator<TraceEvent> {
  const { system, batches } = run;
  const steps: Map<number, number>[] = system.pools.map(() => new Map());
  for (const { replica, startUs, jobs } of batches) {
    const own = steps[system.replicas[replica].pool];
    for (const { readyUs } of jobs) {
      if (readyUs >= startUs) continue;
      own.set(readyUs, (own.get(readyUs) ?? 0) + 1);
      own.set(startUs, (own.get(startUs) ?? 0) - 1);
    }
  }
  for (const [pool, { name }] of system.pools.entries()) {
    let jobs = 0;
    for (const [ts, step] of [...steps[pool]].toSorted(([a], [b]) => a - b)) {
      if (step === 0) continue;
      jobs += step;
      yield { name: `waiting: ${name}`, ph: "C", ts, pid: firstPid, tid: 0, args: { jobs } };
    }
  }
}
