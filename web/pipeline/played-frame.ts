/** A played run at one instant: who waits where, who is served, and what happened last. */
import type { PlayedRun } from "../../library/browser.ts";
import type { TaskEdge } from "./graph.ts";

/** A request at a task: it waits from `waitMs`, and is served from `startMs` to `endMs`. */
interface Stay {
  readonly task: string;
  readonly request: number;
  readonly replica: string;
  readonly waitMs: number;
  readonly startMs: number;
  readonly endMs: number;
  /** The task that it came from; null: it arrived. */
  readonly from: string | null;
}

/** A run of one pipeline, ready for frames. */
export interface Film {
  readonly stays: readonly Stay[];
  readonly replicas: PlayedRun["replicas"];
  /** Arrivals, starts and ends; ascending, without doubles. */
  readonly instants: readonly number[];
  readonly endMs: number;
  /** Over which utilisation is taken. */
  readonly windowMs: number;
  readonly texts: ReadonlyMap<number, string>;
}

export interface TaskFrame {
  /** Numbers of requests, the first come first. */
  readonly waiting: readonly number[];
  /** By replica: the requests of its batch. */
  readonly replicas: readonly { readonly name: string; readonly requests: readonly number[] }[];
  readonly utilizationRatio: number;
  readonly served: number;
}

const WINDOWS = 12;

/** `edges` are those of the pipeline. */
export function filmOf(run: PlayedRun, pipeline: string, edges: readonly TaskEdge[]): Film {
  const isOwn = (request: number): boolean => run.requests[request].pipeline === pipeline;
  const ends = new Map<string, number>();
  const stays: Stay[] = [];
  const texts = new Map<number, string>();
  const tell = (atMs: number, text: string): void => {
    const before = texts.get(atMs);
    texts.set(atMs, before === undefined ? text : `${before}; ${text}`);
  };
  run.requests.forEach(({ arrivedMs }, request) => {
    if (isOwn(request)) tell(arrivedMs, `request ${request + 1} arrives`);
  });
  for (const { task, replica, startMs, endMs, requests } of run.bars) {
    const own = requests.filter(isOwn);
    if (own.length > 0) {
      tell(startMs, `${replica} starts ${named(own)}`);
      tell(endMs, `${replica} ends ${named(own)}`);
    }
    for (const request of own) {
      const { from, atMs } = cameFrom(task, request, startMs, edges, ends);
      const waitMs = atMs ?? run.requests[request].arrivedMs;
      stays.push({ task, request, replica, waitMs, startMs, endMs, from });
      ends.set(`${task} ${request}`, endMs);
    }
  }
  const instants = [...texts.keys()].sort((a, b) => a - b);
  const endMs = instants.at(-1) ?? 0;
  const windowMs = endMs / WINDOWS;
  return { stays, replicas: run.replicas, instants, endMs, windowMs, texts };
}

/** The last task before this one that the request left. Bars come in order of their starts. */
function cameFrom(
  task: string,
  request: number,
  startMs: number,
  edges: readonly TaskEdge[],
  ends: ReadonlyMap<string, number>,
): { readonly from: string | null; readonly atMs: number | null } {
  let from: string | null = null;
  let atMs: number | null = null;
  for (const { from: before, to } of edges) {
    const ended = to === task ? ends.get(`${before} ${request}`) : undefined;
    if (ended === undefined || ended > startMs || ended < (atMs ?? 0)) continue;
    from = before;
    atMs = ended;
  }
  return { from, atMs };
}

function named(requests: readonly number[]): string {
  const numbers = requests.map((request) => request + 1).join(", ");
  return requests.length === 1 ? `request ${numbers}` : `a batch: requests ${numbers}`;
}

export function frameOf(film: Film, task: string, atMs: number): TaskFrame {
  const own = film.stays.filter((stay) => stay.task === task);
  const replicas = film.replicas.filter((replica) => replica.task === task);
  const running = own.filter(({ startMs, endMs }) => startMs <= atMs && atMs < endMs);
  const sinceMs = atMs - film.windowMs;
  const busy = new Map<string, number>();
  for (const { replica, startMs, endMs } of own) {
    const overlapMs = Math.min(endMs, atMs) - Math.max(startMs, sinceMs, 0);
    // All requests of a batch have its times.
    if (overlapMs > 0) busy.set(`${replica} ${startMs}`, overlapMs);
  }
  const busyMs = [...busy.values()].reduce((sum, ms) => sum + ms, 0);
  const spanMs = Math.max(1e-9, Math.min(atMs, film.windowMs)) * Math.max(1, replicas.length);
  return {
    waiting: own
      .filter(({ waitMs, startMs }) => waitMs <= atMs && atMs < startMs)
      .sort((a, b) => a.waitMs - b.waitMs)
      .map(({ request }) => request),
    replicas: replicas.map(({ name }) => ({
      name,
      requests: running.filter(({ replica }) => replica === name).map(({ request }) => request),
    })),
    utilizationRatio: Math.min(1, busyMs / spanMs),
    served: own.filter(({ endMs }) => endMs <= atMs).length,
  };
}

/** A request on its way along an edge, drawn for a moment: in the model it takes no time. */
export interface Move {
  readonly request: number;
  /** Share of the way, 0 to 1. */
  readonly progress: number;
}

const SHOWN_SHARE = 1 / 4;

export function movesAt({ stays, windowMs }: Film, { from, to }: TaskEdge, atMs: number): Move[] {
  const shownMs = windowMs * SHOWN_SHARE;
  return stays.flatMap((stay) => {
    const progress = (atMs - stay.waitMs) / shownMs;
    const isOnTheWay = progress >= 0 && progress < 1;
    return stay.task === to && stay.from === from && isOnTheWay
      ? [{ request: stay.request, progress }]
      : [];
  });
}

/** The first instant after `atMs`, or the last before it; the run's ends where there is none. */
export function instantBeside(film: Film, atMs: number, direction: 1 | -1): number {
  const { instants, endMs } = film;
  if (direction === 1) return instants.find((instant) => instant > atMs) ?? endMs;
  return instants.findLast((instant) => instant < atMs) ?? 0;
}

/** The last event up to `atMs`, as text. */
export function lastEvent({ instants, texts }: Film, atMs: number): string {
  const at = instants.findLast((instant) => instant <= atMs);
  if (at === undefined) return "nothing has happened yet";
  return `${(at / 1000).toFixed(3)} s: ${texts.get(at)}`;
}
