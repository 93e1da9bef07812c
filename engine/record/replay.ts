/** Decision replay: the events of a run log through a fresh dispatcher must give its commands. */

import { Fault } from "../basics/fault.ts";
import { Dispatcher, LOSS_UNITS, RESIDENCIES } from "../dispatch/dispatcher.ts";
import { type Driver, OUTCOMES } from "../dispatch/driver.ts";
import type { Scheduler } from "../dispatch/policies.ts";
import { SIZE_UNITS } from "../dispatch/request-flow.ts";
import { isCommand, isNote, type LogEntry, type LogKind, RunLog } from "../dispatch/run-log.ts";
import { NO_LABEL } from "../dispatch/variants.ts";
import type { System } from "../system/system.ts";

const MAX_BATCH = 65_536;

export interface ReplayResult {
  readonly commands: number;
  /** The first entry that differs, or null when every decision is the same. */
  readonly divergence: {
    readonly at: number;
    readonly logged: string;
    readonly replayed: string;
  } | null;
  /** Why the user's scheduler failed in the run; null where it did not. */
  readonly failure: string | null;
}

/** `scheduler`, and `others` that the run used later, must be fresh and made with the run's seed. */
export function replayLog(
  system: System,
  scheduler: Scheduler,
  logged: RunLog,
  others: readonly Scheduler[] = [],
): ReplayResult {
  const replayed = new RunLog();
  const driver = driverOf(logged);
  let dispatcher = new Dispatcher(system, scheduler, driver, replayed);
  const bound = Math.max(64, 2 * logged.entries.length);
  let failure: string | null = null;
  for (let at = 0; at < logged.entries.length; at++) {
    const entry = logged.entries[at];
    if (!isPossible(dispatcher, entry, bound, others)) {
      const impossible = { at, logged: JSON.stringify(entry), replayed: "no such event here" };
      return { commands: 0, divergence: impossible, failure };
    }
    const [kind, number, nowUs] = entry;
    if (kind === "reschedule") {
      const next = new Dispatcher(system, others[number], driver, replayed, dispatcher);
      next.takeOver(dispatcher, number, nowUs);
      dispatcher = next;
    } else {
      try {
        feed(dispatcher, entry, others);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        failure = error.message;
        replayed.add("failed", entry[entry.length - 1] as number);
        // Events up to the log's failure are those of a scheduler that failed later, or never.
        at = logged.entries.findIndex(([kind], i) => i > at && kind === "failed");
        if (at < 0) break;
      }
    }
  }
  const decided = logged.entries.filter(([kind]) => !isNote(kind));
  const { commands, divergence } = compare(decided, replayed.entries);
  if (divergence === null) return { commands, divergence, failure };
  const at = logged.entries.indexOf(decided[divergence.at]);
  const shown = { ...divergence, at: at < 0 ? logged.entries.length : at };
  return { commands, divergence: shown, failure };
}

/** Answers the dispatcher as the log says, in order, and carries nothing out. */
function driverOf(logged: RunLog): Driver {
  const answers = new Map<string, number[]>();
  const learn = (key: string, answer: number): void => {
    answers.set(key, [...(answers.get(key) ?? []), answer]);
  };
  for (const [kind, request, a, b, c] of logged.entries) {
    if (kind === "holds") learn(`${request}/${a}`, b);
    else if (kind === "goal") learn(`${request}`, a);
    else if (kind === "answer") learn(`answer ${request}/${a}`, b);
    else if (kind === "size") learn(`size ${request}`, a / SIZE_UNITS);
    else if (kind === "prompt") {
      learn(`prompt ${request}/${a}`, b);
      learn(`beginning ${request}/${a}`, c);
    } else if (kind === "abort") learn(`abort ${request}`, a);
  }
  return {
    start: () => undefined,
    wakeAt: () => undefined,
    end: () => undefined,
    goalUs: (request) => answers.get(`${request}`)?.shift() ?? Number.POSITIVE_INFINITY,
    inputSize: (request) => answers.get(`size ${request}`)?.shift() ?? Number.NaN,
    prompt: (request, task) => {
      const tokens = answers.get(`prompt ${request}/${task}`)?.shift() ?? -1;
      const beginning = answers.get(`beginning ${request}/${task}`)?.shift() ?? 0;
      return tokens < 0 ? null : { tokens, beginning };
    },
    holds: (request, task) => answers.get(`${request}/${task}`)?.shift() === 1,
    labels: {
      truth: null,
      of: (request, task) => answers.get(`answer ${request}/${task}`)?.shift() ?? NO_LABEL,
    },
    cluster: {
      order: () => undefined,
      release: () => undefined,
      abort: (replica) => answers.get(`abort ${replica}`)?.shift() === 1,
      load: () => undefined,
      evict: () => undefined,
      ask: () => undefined,
      ...(logged.entries.some(([kind]) => kind === "window") ? { window: () => undefined } : {}),
    },
  };
}

/** Whether an event can happen now; of a log that is as it was written, all can. */
function isPossible(
  dispatcher: Dispatcher,
  [kind, a, b, c, , e]: LogEntry,
  bound: number,
  others: readonly Scheduler[],
): boolean {
  const { system, requests, batchSize, timerCount } = dispatcher;
  switch (kind) {
    case "arrive":
      return a >= 0 && a < bound && system.pipelines[b] !== undefined && requests.claim(a);
    case "finish":
    case "stream":
    case "fail":
    case "miss":
      return batchSize[a] > 0;
    case "join":
    case "lose":
    case "drain":
      return system.replicas[a] !== undefined;
    case "wake":
      return a >= 0 && a < timerCount;
    case "cancel":
      return OUTCOMES[b] !== undefined;
    case "batching":
      return system.replicas[a] !== undefined && b >= 0 && b <= MAX_BATCH;
    case "reschedule":
      return others[a] !== undefined && system.pipelines.every(({ held }) => !held);
    case "choose":
      return e < 0 || others[e] !== undefined;
    case "residency":
      return (
        system.devices[a] !== undefined &&
        system.models[b] !== undefined &&
        RESIDENCIES[c] !== undefined
      );
    case "feed":
      return system.pools[b] !== undefined;
    default:
      return true;
  }
}

type Feed = (dispatcher: Dispatcher, ...numbers: number[]) => void;

/** The events that reach a dispatcher; the others are answers to its questions. */
const FEEDS: Partial<Record<LogKind, Feed>> = {
  arrive: (to, request, pipeline, arrivedUs, nowUs) =>
    to.arrive(request, pipeline, arrivedUs, nowUs),
  finish: (to, replica, nowUs) => to.finish(replica, nowUs),
  stream: (to, replica, nowUs) => to.streamed(replica, nowUs),
  fail: (to, replica, nowUs) => to.fail(replica, nowUs),
  miss: (to, replica, nowUs) => to.miss(replica, nowUs),
  wake: (to, timer, nowUs) => to.wake(timer, nowUs),
  join: (to, replica, nowUs) => to.join(replica, nowUs),
  lose: (to, replica, nowUs) => to.lose(replica, nowUs),
  drain: (to, replica, nowUs) => to.drain(replica, nowUs),
  cancel: (to, request, outcome, nowUs) => to.cancel(request, OUTCOMES[outcome], nowUs),
  batching: (to, replica, maxBatch, waitUs, nowUs) =>
    to.setBatching(replica, maxBatch, waitUs, nowUs),
  decide: (to, nowUs) => to.decide(nowUs),
  begin: (to, nowUs) => to.begin(nowUs),
  residency: (to, slot, model, state, nowUs) =>
    to.residency(slot, model, RESIDENCIES[state], nowUs),
  feed: (to, request, pool, loss, nowUs) => to.feed(request, pool, loss / LOSS_UNITS, nowUs),
  solved: (to, controller, nowUs, ...solution) => to.solved(controller, solution, nowUs),
};

function feed(
  dispatcher: Dispatcher,
  [kind, ...numbers]: LogEntry,
  others: readonly Scheduler[],
): void {
  FEEDS[kind]?.(dispatcher, ...numbers);
  if (kind !== "choose") return;
  const [request, hasPriority, priority, goal, scheduler] = numbers;
  const routing = others[scheduler]?.pools.map((pool) => pool.routing) ?? null;
  const goalUs = goal < 0 ? Number.POSITIVE_INFINITY : goal;
  const choice = { priority: hasPriority === 0 ? null : priority, goalUs, routing };
  dispatcher.choose(request, choice, scheduler);
}

function compare(
  logged: readonly LogEntry[],
  replayed: readonly LogEntry[],
): Omit<ReplayResult, "failure"> {
  const length = Math.max(logged.length, replayed.length);
  for (let at = 0; at < length; at++) {
    const a = JSON.stringify(logged[at] ?? null);
    const b = JSON.stringify(replayed[at] ?? null);
    if (a !== b) return { commands: 0, divergence: { at, logged: a, replayed: b } };
  }
  return { commands: logged.filter(([kind]) => isCommand(kind)).length, divergence: null };
}
