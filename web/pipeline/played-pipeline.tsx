/** A simulated run, played or stepped through: requests wait, form batches, and move on. */
import { useEffect, useState } from "react";
import { Button } from "react-aria-components";
import {
  Fault,
  type KeptScenario,
  type PlayedRun,
  playedRun,
  readScenario,
  type ScenarioSource,
  scenarioSource,
} from "../../library/browser.ts";
import { useConnection } from "../shared/connection.ts";
import { Problem, Scale, SelectEntry } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import { OF_CLUSTER, scenarioNames, scenarioOf } from "../what-if/scenarios.ts";
import {
  DrawnGraph,
  graphOf,
  type Move,
  type PipelineGraph,
  type Requests,
  shareEdge,
  type TaskEdge,
  taskNode,
  useIsNarrow,
} from "./drawn-graph.tsx";

const REQUESTS = 200;
/** Branches that join: the most to see. */
const EXAMPLE = "stock-prediction";
/** Heights of a box: its text, and a line for each of its replicas. */
const TEXT_HEIGHT = 132;
const LINE_HEIGHT = 22;
const MOST_LINES = 7;
const SPEEDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 50, 250].map((speed) => ({
  id: String(speed),
  name: `${speed} ×`,
}));
/** A run takes about so long to watch, unless its viewer says otherwise. */
const WATCHED_MS = 60_000;

interface Played {
  readonly name: string;
  readonly isNarrow: boolean;
  readonly graph: PipelineGraph;
  readonly film: Film;
}

export function PlayedPipeline() {
  const { deployed } = useConnection();
  const [name, setName] = useUrlState("scenario", deployed === null ? EXAMPLE : OF_CLUSTER);
  const source = scenarioOf(name, deployed);
  const isNarrow = useIsNarrow();
  const [{ played, problem }, show] = useState(NOTHING);
  useEffect(() => {
    let isLatest = true;
    void playedOf(source, name, isNarrow).then((shown) => isLatest && show(shown));
    return () => {
      isLatest = false;
    };
  }, [source, name, isNarrow]);
  return (
    <section className="card" aria-labelledby="played">
      <h2 id="played">A simulated run</h2>
      <SelectEntry
        label="Scenario"
        value={name}
        options={scenarioNames(deployed)}
        onChange={setName}
      />
      <Problem text={problem} />
      {played !== null && <Player key={`${played.name} ${played.isNarrow}`} {...played} />}
    </section>
  );
}

interface Shown {
  readonly played: Played | null;
  readonly problem: string | null;
}

const NOTHING: Shown = { played: null, problem: null };

/** The first pipeline of the scenario, and its first requests. */
async function playedOf(
  source: ScenarioSource | KeptScenario | null,
  name: string,
  isNarrow: boolean,
): Promise<Shown> {
  if (source === null) return NOTHING;
  try {
    const { text, file, files } = "text" in source ? source : scenarioSource(source);
    const scenario = readScenario(text, { file, files });
    const run = await playedRun(scenario, REQUESTS);
    const [[pipeline, { tasks }]] = Object.entries(scenario.document.pipelines);
    const lines = Object.keys(tasks).map(
      (task) => run.replicas.filter((replica) => replica.task === task).length,
    );
    const height = TEXT_HEIGHT + LINE_HEIGHT * Math.min(MOST_LINES, Math.max(1, ...lines));
    const graph = graphOf({ tasks }, isNarrow, height);
    const film = filmOf(run, pipeline, graph.edges);
    return { played: { name, isNarrow, graph, film }, problem: null };
  } catch (error) {
    const issues = error instanceof Fault ? error.issues.map(({ message }) => message) : [];
    return { played: null, problem: [String((error as Error).message), ...issues].join("; ") };
  }
}

function Player({ name, isNarrow, graph, film }: Played) {
  const [speed, setSpeed] = useState(() => usualSpeed(film.endMs));
  const { atMs, isPlaying, setPlaying, setAtMs } = useClock(film.endMs, Number(speed));
  const step = (direction: 1 | -1) => setAtMs(instantBeside(film, atMs, direction));
  const { nodes, edges } = elementsAt(graph, film, atMs, isNarrow);
  return (
    <>
      <div className="row">
        <Button className="button primary" onPress={() => setPlaying(!isPlaying)}>
          {isPlaying ? "Pause" : "Play"}
        </Button>
        <Button className="button" onPress={() => step(-1)}>
          Step back
        </Button>
        <Button className="button" onPress={() => step(1)}>
          Step
        </Button>
        <SelectEntry label="Speed" value={speed} options={SPEEDS} onChange={setSpeed} />
        <Scale
          label="Time of the run"
          value={atMs}
          least={0}
          most={Math.max(1, film.endMs)}
          step={Math.max(1, film.endMs) / 1000}
          shown={`${(atMs / 1000).toFixed(3)} s`}
          onChange={setAtMs}
        />
      </div>
      <p aria-live={isPlaying ? "off" : "polite"} data-testid="last-event">
        {lastEvent(film, atMs)}
      </p>
      <DrawnGraph sheet={`${name} ${isNarrow}`} nodes={nodes} edges={edges} />
      <p className="muted small">
        The first {REQUESTS} requests of the scenario's first pipeline, as{" "}
        <code>tandem simulate</code> runs them. A dot is a request: above it waits, in a frame a
        replica serves it. Utilisation is of the last {(film.windowMs / 1000).toPrecision(2)} s.
      </p>
    </>
  );
}

/** The speed at which the run takes about a minute. */
function usualSpeed(endMs: number): string {
  const ideal = endMs / WATCHED_MS;
  const apart = (id: string): number => Math.abs(Math.log(Number(id) / Math.max(ideal, 1e-6)));
  return SPEEDS.reduce((best, { id }) => (apart(id) < apart(best) ? id : best), SPEEDS[0].id);
}

function elementsAt(graph: PipelineGraph, film: Film, atMs: number, isNarrow: boolean) {
  const nodes = graph.tasks.map((place) => {
    const frame = frameOf(film, place.task, atMs);
    const busy = frame.replicas.filter(({ requests }) => requests.length > 0).length;
    const lines = [`${busy} of ${frame.replicas.length} serve · ${frame.served} served`];
    const { utilizationRatio } = frame;
    const figures = { utilizationRatio, lines, isNarrow, isBottleneck: false, played: frame };
    return taskNode(place, figures, `${frame.waiting.length} wait, ${lines[0]}`);
  });
  const edges = graph.edges.map((edge) => {
    const moves = movesAt(film, edge, atMs);
    const served = frameOf(film, edge.from, atMs).served;
    const taken = film.stays.filter(
      ({ task, from, waitMs }) => task === edge.to && from === edge.from && waitMs <= atMs,
    ).length;
    return shareEdge(edge, served === 0 ? null : taken / served, {
      isBusy: moves.length > 0,
      moves,
    });
  });
  return { nodes, edges };
}

/** A clock that plays a run: it moves with the frames of the screen, and stops at the end. */
function useClock(endMs: number, speed: number) {
  const [atMs, setNow] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  useEffect(() => {
    if (!isPlaying) return;
    let lastMs = performance.now();
    let frame = requestAnimationFrame(function tick(nowMs: number) {
      const passedMs = Math.max(0, nowMs - lastMs) * speed;
      lastMs = nowMs;
      setNow((now) => {
        if (now + passedMs >= endMs) setPlaying(false);
        return Math.min(endMs, now + passedMs);
      });
      frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  }, [isPlaying, speed, endMs]);
  const setAtMs = (next: number): void => {
    setPlaying(false);
    setNow(next);
  };
  const play = (next: boolean): void => {
    if (next && atMs >= endMs) setNow(0);
    setPlaying(next);
  };
  return { atMs, isPlaying, setPlaying: play, setAtMs };
}

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
interface Film {
  readonly stays: readonly Stay[];
  readonly replicas: PlayedRun["replicas"];
  /** Arrivals, starts and ends; ascending, without doubles. */
  readonly instants: readonly number[];
  readonly endMs: number;
  /** Over which utilisation is taken. */
  readonly windowMs: number;
  readonly texts: ReadonlyMap<number, string>;
}

interface TaskFrame extends Requests {
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
