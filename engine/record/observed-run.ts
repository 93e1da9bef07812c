/**
 * A run log as requests and batches: when each job was ready, started and ended, and where. The log of
 * a simulated run and that of a real one give the same.
 */
import { OUTCOMES, type Outcome } from "../dispatch/driver.ts";
import { instantOf, type LogEntry, type RunLog } from "../dispatch/run-log.ts";
import type { PipelineSystem, System } from "../system/system.ts";
import { type WholeReplicas, wholeReplicas } from "../system/whole-replicas.ts";

/** One job's stay on a replica. */
export interface JobSpan {
  readonly request: ObservedRequest;
  /** Index into the pipeline's tasks. */
  readonly task: number;
  readonly batch: ObservedBatch;
  /** When its predecessors had ended, or made the first token that it waits for, or a replica was lost with it. */
  readonly readyUs: number;
  /** The span that made it ready; null: the request's arrival. */
  readonly after: JobSpan | null;
}

interface ObservedBatch {
  readonly replica: number;
  readonly startUs: number;
  /** When other tasks heard of its first token; NaN: none waits for it. */
  firstTokenUs: number;
  /** NaN while it runs: the log ended before it did. */
  endUs: number;
  /** Whether its replica was lost, or a controller stopped it. */
  lost: boolean;
  /** The model's own time, which real runs report; NaN without. */
  serviceUs: number;
  readonly jobs: JobSpan[];
}

export interface ObservedRequest {
  /** In order of arrival, from 0. */
  readonly serial: number;
  readonly pipeline: number;
  /** When the client sent it, and when the dispatcher had it. */
  readonly arrivedUs: number;
  readonly seenUs: number;
  /** NaN if it had not ended when the log did. */
  endUs: number;
  outcome: Outcome | null;
  readonly spans: JobSpan[];
}

/** A replica came up or went down; an engine does with its first place. */
interface ReplicaChange {
  /** By number of the whole ones. */
  readonly whole: number;
  readonly atUs: number;
  readonly kind: "join" | "lose" | "drain";
}

export interface ObservedRun {
  readonly system: System;
  readonly wholes: WholeReplicas;
  readonly requests: readonly ObservedRequest[];
  readonly batches: readonly ObservedBatch[];
  readonly changes: readonly ReplicaChange[];
  /** The last instant in the log. */
  readonly endUs: number;
}

export function observeRun(log: RunLog, system: System): ObservedRun {
  const observer = new Observer(system);
  for (const entry of log.entries) observer.read(entry);
  const { wholes, requests, batches, changes, endUs } = observer;
  return { system, wholes, requests, batches, changes, endUs };
}

class Observer {
  readonly requests: ObservedRequest[] = [];
  readonly batches: ObservedBatch[] = [];
  readonly changes: ReplicaChange[] = [];
  readonly wholes: WholeReplicas;
  endUs = 0;
  readonly #system: System;
  readonly #shift: number;
  /** By slot of the request table. */
  readonly #bySlot: ObservedRequest[] = [];
  /** By replica; undefined while it is idle. */
  readonly #running: (ObservedBatch | undefined)[] = [];

  constructor(system: System) {
    this.#system = system;
    this.wholes = wholeReplicas(system);
    this.#shift = Math.ceil(Math.log2(system.stride));
  }

  read(entry: LogEntry): void {
    this.endUs = instantOf(entry) ?? this.endUs;
    const [kind, a, b, c, d] = entry;
    switch (kind) {
      case "arrive":
        this.#arrive(a, b, c, d);
        return;
      case "start":
        this.#start(a, b, entry.slice(3) as number[]);
        return;
      case "served":
        if (this.#running[a] !== undefined) this.#running[a].serviceUs = c;
        return;
      case "stream":
        if (this.#running[a] !== undefined) this.#running[a].firstTokenUs = b;
        return;
      case "finish":
      case "fail":
      case "miss":
        this.#endBatch(a, kind !== "finish");
        return;
      case "abort":
        if (b === 1) this.#endBatch(a, true);
        return;
      case "lose":
      case "join":
      case "drain":
        if (kind === "lose") this.#endBatch(a, true);
        if (this.wholes.firsts[this.wholes.of[a]] === a) {
          this.changes.push({ whole: this.wholes.of[a], atUs: b, kind });
        }
        return;
      case "end":
        if (this.#bySlot[a] !== undefined) {
          Object.assign(this.#bySlot[a], { endUs: c, outcome: OUTCOMES[b] });
        }
    }
  }

  #arrive(slot: number, pipeline: number, arrivedUs: number, seenUs: number): void {
    const request: ObservedRequest = {
      serial: this.requests.length,
      pipeline,
      arrivedUs,
      seenUs,
      endUs: Number.NaN,
      outcome: null,
      spans: [],
    };
    this.requests.push(request);
    this.#bySlot[slot] = request;
  }

  #start(replica: number, startUs: number, jobs: readonly number[]): void {
    const batch: ObservedBatch = {
      replica,
      startUs,
      firstTokenUs: Number.NaN,
      endUs: Number.NaN,
      lost: false,
      serviceUs: Number.NaN,
      jobs: [],
    };
    for (const job of jobs) {
      const request = this.#bySlot[job >> this.#shift];
      const task = job & ((1 << this.#shift) - 1);
      const pipeline = this.#system.pipelines[request?.pipeline ?? -1];
      if (request === undefined || pipeline === undefined) continue;
      const span = { request, task, batch, ...readiness(request, task, pipeline) };
      request.spans.push(span);
      batch.jobs.push(span);
    }
    this.batches.push(batch);
    this.#running[replica] = batch;
  }

  #endBatch(replica: number, lost: boolean): void {
    const batch = this.#running[replica];
    if (batch === undefined) return;
    Object.assign(batch, { endUs: this.endUs, lost });
    this.#running[replica] = undefined;
  }
}

/** The instant from which a job could start, and the span that it had to wait for. */
function readiness(
  request: ObservedRequest,
  task: number,
  pipeline: PipelineSystem,
): Pick<JobSpan, "readyUs" | "after"> {
  const earlier = request.spans.filter((span) => span.task === task && span.batch.lost);
  const again = earlier[earlier.length - 1];
  if (again !== undefined) return { readyUs: again.batch.endUs, after: again };
  const { predecessors, needed, afterFirstToken } = pipeline.tasks[task];
  const ready = request.spans
    .filter((span) => predecessors.includes(span.task) && !span.batch.lost)
    .map((after) => {
      const { firstTokenUs, endUs } = after.batch;
      return { readyUs: afterFirstToken.includes(after.task) ? firstTokenUs : endUs, after };
    })
    .filter(({ readyUs }) => Number.isFinite(readyUs))
    .toSorted((x, y) => x.readyUs - y.readyUs);
  return ready[Math.min(needed, ready.length) - 1] ?? { readyUs: request.seenUs, after: null };
}

interface PathSpan extends JobSpan {
  /** The next one of the path was ready then; of the last one, its end. */
  readonly untilUs: number;
}

/** The spans that a request's latency consists of, last first; empty if it did not complete. */
export function criticalPath({ spans, endUs, outcome }: ObservedRequest): readonly PathSpan[] {
  if (outcome !== "completed") return [];
  const ended = spans.filter(({ batch }) => !batch.lost && batch.endUs <= endUs);
  let at: JobSpan | null | undefined = ended.toSorted((a, b) => b.batch.endUs - a.batch.endUs)[0];
  const path: PathSpan[] = [];
  for (let untilUs = at?.batch.endUs ?? endUs; at != null; at = at.after) {
    path.push({ ...at, untilUs });
    untilUs = at.readyUs;
  }
  return path;
}
