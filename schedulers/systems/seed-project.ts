/**
 * The schedulers of the 2020 report that this project grew from. Its second one, as its code is:
 *
 *   a job comes, a recheck is due ─> an idle worker, the last that became idle, looks at the task's list
 *                └─ none is idle ──> the next that becomes so looks, once for all that came meanwhile
 *
 *   a look: does the list fill a batch? then up to a batch of its jobs start, else those that
 *   have waited long enough; jobs that run are listed too. Whatever it leaves listed causes a recheck.
 *
 * So nobody looks when a worker is done unless a look has failed before, and at the end of a load test,
 * when no job comes any more, rechecks alone start batches: one in `recheckMs`.
 */
import { z } from "zod";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  JobView,
  QueueView,
} from "../../engine/dispatch/controller.ts";
import type { Batching } from "../../engine/dispatch/policies.ts";
import { membersOf } from "../../engine/system/system.ts";
import { batchLimits, isIdle, placeablePools } from "../rules/device-slots.ts";
import { nonNegative, within } from "../rules/parameters.ts";
import {
  type ControllerContext,
  defineController,
  preset,
  type SystemPack,
} from "../rules/policy-definition.ts";

const parameters = z.strictObject({
  recheckMs: within(0.001, 1e12, 1000, "from a look that left jobs listed to the next, in ms"),
  ended: z
    .record(z.string(), z.enum(["kept", "deleted"]))
    .default({})
    .describe(
      "by task: an ended job takes the list's first off in its place. Where it overtook one, it is served again (kept), or the worker that finds it is lost (deleted); default: it takes itself off",
    ),
  lostAfterMs: nonNegative(1e12)
    .default(120_000)
    .describe("a job taken off the list in another's place is dropped at this age, in ms"),
});

/** A job on its task's list. */
interface Entry {
  readonly job: number;
  readonly enteredUs: number;
  /** A worker has it. */
  taken: boolean;
  /** It has been served; only where lists lose other entries in its place. */
  done: boolean;
  /** Its request has ended otherwise. */
  gone: boolean;
}

/** The list of a task, and its workers. */
interface Line {
  readonly pool: number;
  readonly replicas: readonly number[];
  readonly maxBatch: number;
  /** Age at which a job starts without a full batch. */
  readonly waitUs: number;
  readonly ended: "kept" | "deleted" | undefined;
  listed: Entry[];
  /** A stack. */
  readonly idle: number[];
  /** To be made at the end of this instant. */
  looks: number;
  /** Whether a look waits for a worker. */
  isOwed: boolean;
  /** In order of time. */
  readonly rechecks: { readonly atUs: number; looks: number }[];
  readonly lost: Entry[];
}

type Settings = z.infer<typeof parameters>;

class Rechecks implements Controller {
  readonly pools: readonly number[];
  readonly timers: number;
  readonly #recheckUs: number;
  readonly #lostAfterUs: number;
  readonly #lines: readonly Line[];
  /** By pool. */
  readonly #lineOf = new Map<number, Line>();
  /** The entries that a replica serves, or is kept for. */
  readonly #batches = new Map<number, readonly Entry[]>();
  /** Replicas that serve nothing but ended jobs, or do so first. */
  readonly #kept = new Set<number>();
  /** Of requests that have not ended. */
  readonly #entries = new Map<number, Entry[]>();

  constructor(settings: Settings, { system, pools }: ControllerContext) {
    const limits = batchLimits(system, pools);
    this.pools = placeablePools(system);
    this.#recheckUs = Math.round(settings.recheckMs * 1000);
    this.#lostAfterUs = Math.round(settings.lostAfterMs * 1000);
    this.#lines = this.pools.map((pool) => {
      return {
        pool,
        replicas: membersOf(system.pools[pool]),
        maxBatch: limits[pool],
        waitUs: waitUs(pools[pool].batching),
        ended: settings.ended[system.pools[pool].task],
        listed: [],
        idle: [],
        looks: 0,
        isOwed: false,
        rechecks: [],
        lost: [],
      };
    });
    for (const line of this.#lines) this.#lineOf.set(line.pool, line);
    // Each line's rechecks, each line's drops, and each replica's.
    this.timers = 2 * this.#lines.length + system.replicas.length;
  }

  queued({ job, request, enteredUs }: JobView, pool: number): void {
    const line = this.#lineOf.get(pool) as Line;
    const entry: Entry = { job, enteredUs, taken: false, done: false, gone: false };
    line.listed.push(entry);
    line.looks++;
    this.#entries.set(request, [...(this.#entries.get(request) ?? []), entry]);
  }

  ended(request: number): void {
    for (const entry of this.#entries.get(request) ?? []) entry.gone = !entry.done;
    this.#entries.delete(request);
  }

  finished({ replica, pool, fate }: BatchEnd): void {
    const line = this.#lineOf.get(pool);
    if (line !== undefined) this.#leave(line, replica, fate === "ran");
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    const line = this.#lines.find(({ replicas }) => replicas.includes(replica));
    if (line === undefined) return;
    if (state === "up") free(line, replica);
    if (!this.#kept.delete(replica)) return;
    // Its jobs still wait.
    for (const entry of this.#batches.get(replica) ?? []) entry.taken = false;
    this.#batches.delete(replica);
    line.looks++;
  }

  begin(view: ClusterView): void {
    for (const line of this.#lines) {
      for (const replica of line.replicas) if (isIdle(view, replica)) free(line, replica);
    }
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    const { nowUs } = view;
    const replica = timer - 2 * this.#lines.length;
    const line = this.#lines[timer >> 1];
    if (replica >= 0) this.#startKept(replica, view, act);
    else if (timer % 2 === 0) {
      while (line.rechecks.length > 0 && line.rechecks[0].atUs <= nowUs) {
        line.looks += line.rechecks.shift()?.looks ?? 0;
      }
      if (line.rechecks.length > 0) act.wakeAt(timer, line.rechecks[0].atUs);
    } else {
      while (line.lost.length > 0 && this.#dropUs(line.lost[0]) <= nowUs) {
        const { job, gone } = line.lost.shift() as Entry;
        if (!gone) act.drop(job);
      }
    }
    this.decide(view, act);
  }

  decide(view: ClusterView, act: Controls): void {
    this.#lines.forEach((line, i) => {
      let rechecks = 0;
      while (line.looks > 0) {
        while (line.idle.length > 0 && !isIdle(view, line.idle[line.idle.length - 1]))
          line.idle.pop();
        line.isOwed ||= line.idle.length === 0;
        if (line.idle.length === 0) break;
        line.looks--;
        const { batch, left } = this.#look(line, view.nowUs);
        rechecks += left;
        if (batch === null) line.idle.pop();
        else if (batch.length > 0) this.#start(line.idle.pop() as number, batch, view, act);
        else {
          // Nothing has changed for the others of this instant, which leave as many rechecks.
          rechecks += left * line.looks;
          break;
        }
      }
      line.looks = 0;
      if (rechecks > 0) {
        // More than there are workers would find none.
        const looks = Math.min(rechecks, line.replicas.length);
        line.rechecks.push({ atUs: view.nowUs + this.#recheckUs, looks });
        act.wakeAt(2 * i, line.rechecks[0].atUs);
      }
      if (line.lost.length > 0) {
        act.wakeAt(2 * i + 1, Math.max(view.nowUs + 1, this.#dropUs(line.lost[0])));
      }
    });
  }

  /** The batch that starts, maybe none, and the rechecks that follow; null: the worker is lost. */
  #look(line: Line, nowUs: number): { batch: Entry[] | null; left: number } {
    line.listed = line.listed.filter(({ gone }) => !gone);
    const { listed, maxBatch, waitUs, ended } = line;
    const isFull = listed.length >= maxBatch;
    const isDeleted = ({ done }: Entry): boolean => done && ended === "deleted";
    if (!isFull && listed.some(isDeleted)) return { batch: null, left: 0 };
    const due = isFull ? listed : listed.filter((one) => nowUs - one.enteredUs >= waitUs);
    const batch: Entry[] = [];
    for (const entry of due) {
      if (batch.length === maxBatch) break;
      if (isDeleted(entry)) return { batch: null, left: 0 };
      if (!entry.taken) batch.push(entry);
    }
    const left = Number(due.length < listed.length) + Number(batch.length < due.length);
    return { batch, left };
  }

  /** Jobs that are served again have no place in the dispatcher's batch: the replica is kept for their time. */
  #start(replica: number, batch: readonly Entry[], view: ClusterView, act: Controls): void {
    for (const entry of batch) entry.taken = true;
    this.#batches.set(replica, batch);
    const jobs = batch.flatMap(({ done, job }) => (done ? [] : [job]));
    if (jobs.length === batch.length) {
      act.start(replica, jobs);
      return;
    }
    const aloneUs = jobs.length === 0 ? 0 : view.expectedUs(replica, jobs.length);
    const moreUs = Math.round(view.expectedUs(replica, batch.length) - aloneUs);
    this.#kept.add(replica);
    act.wakeAt(2 * this.#lines.length + replica, view.nowUs + Math.max(1, moreUs));
  }

  /** The time of the ended jobs in its batch is over. */
  #startKept(replica: number, view: ClusterView, act: Controls): void {
    if (!this.#kept.delete(replica)) return;
    const batch = this.#batches.get(replica) ?? [];
    const jobs = batch.flatMap(({ done, gone, job }) => (done || gone ? [] : [job]));
    if (jobs.length > 0) act.start(replica, jobs);
    else this.#leave(this.#lineOf.get(view.system.replicas[replica].pool) as Line, replica, true);
  }

  /** A replica is done with its batch, or (`ran` false) has given it up: then its jobs come again. */
  #leave(line: Line, replica: number, ran: boolean): void {
    for (const entry of this.#batches.get(replica) ?? []) {
      entry.taken = false;
      if (!ran) {
        entry.gone ||= !entry.done;
      } else if (line.ended === undefined) {
        entry.gone = true;
      } else {
        entry.done = true;
        entry.gone = false;
        const first = line.listed.shift();
        if (first !== undefined && !first.taken && !first.done) line.lost.push(first);
      }
    }
    this.#batches.delete(replica);
    free(line, replica);
  }

  #dropUs({ enteredUs }: Entry): number {
    return enteredUs + this.#lostAfterUs;
  }
}

/** How long a batching rule lets a job wait that fills no batch. */
function waitUs(batching: Batching): number {
  const entered = { length: 1, oldestUs: 0 } as QueueView;
  return batching.kind === "group" ? batching.dueUs(entered, 0) : 0;
}

function free(line: Line, replica: number): void {
  if (!line.idle.includes(replica)) line.idle.push(replica);
  if (line.isOwed) line.looks++;
  line.isOwed = false;
}

const controller = defineController({
  name: "rechecks",
  summary:
    "an idle worker looks at the list when a job comes, and again a second after it left some",
  idea: "A job that comes, or a recheck, makes the worker that became idle last look at its task's list: where as many jobs are listed as fill a batch, those that run too, it starts up to a batch of the others, else those that have waited as long as the batching rule says. A look that leaves jobs listed is followed by another. A look that finds no idle worker is made by the next one that is done, once for all that waited.",
  reads: "The list of its task, the ages of the jobs on it, and which workers are idle.",
  failsWhen:
    "No job comes: then workers stay idle beside a queue, and one batch starts in a recheck's time. Or, with `ended`, jobs overtake one another: work is done twice, and jobs or workers are lost.",
  source:
    "The source of the 2020 report's server (HKU-FYP, implementation/acumen/backend/src: workerQueue.ts, yolo/index.ts, alpr/index.ts), its lists being those of the library Bull 3.",
  parameters,
  create: (settings, context) => new Rechecks(settings, context),
});

/** Kept for comparison only. */
export const seedProject: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    "seed-idle-queue": preset(
      "the seed project's first: longest idle instance, FIFO, no batching",
      { routing: { policy: "central", idle: "longest-idle" } },
    ),
    "seed-batching": preset("the seed project's second: stack of idle workers, batches, 1 s tick", {
      routing: { policy: "central", idle: "most-recent" },
      batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 2000, tickMs: 1000 },
    }),
  },
};
