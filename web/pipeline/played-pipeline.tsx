/** A simulated run, played or stepped through: requests wait, form batches, and move on. */
import { useEffect, useMemo, useState } from "react";
import { Button } from "react-aria-components";
import {
  Fault,
  type KeptScenario,
  playedRun,
  readScenario,
  type ScenarioSource,
  scenarioSource,
} from "../../library/browser.ts";
import { useConnection } from "../shared/connection.ts";
import { Scale, SelectEntry } from "../shared/entries.tsx";
import { Problem } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import { OF_CLUSTER, scenarioNames, scenarioOf } from "../what-if/examples.ts";
import { DrawnGraph, shareEdge, taskNode, useIsNarrow } from "./drawn-graph.tsx";
import { graphOf, type PipelineGraph } from "./graph.ts";
import { type Film, filmOf, frameOf, instantBeside, lastEvent, movesAt } from "./played-frame.ts";

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
  readonly graph: PipelineGraph;
  readonly film: Film;
}

export function PlayedPipeline() {
  const { deployed } = useConnection();
  const [name, setName] = useUrlState("scenario", deployed === null ? EXAMPLE : OF_CLUSTER);
  const source = scenarioOf(name, deployed);
  const isNarrow = useIsNarrow();
  const { played, problem } = useMemo(() => playedOf(source, isNarrow), [source, isNarrow]);
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
      {played !== null && <Player key={`${name} ${isNarrow}`} {...{ played, isNarrow, name }} />}
    </section>
  );
}

/** The first pipeline of the scenario, and its first requests. */
function playedOf(source: ScenarioSource | KeptScenario | null, isNarrow: boolean) {
  if (source === null) return { played: null, problem: null };
  try {
    const { text, file, files } = "text" in source ? source : scenarioSource(source);
    const scenario = readScenario(text, { file, files });
    const run = playedRun(scenario, REQUESTS);
    const [[pipeline, { tasks }]] = Object.entries(scenario.document.pipelines);
    const lines = Object.keys(tasks).map(
      (task) => run.replicas.filter((replica) => replica.task === task).length,
    );
    const height = TEXT_HEIGHT + LINE_HEIGHT * Math.min(MOST_LINES, Math.max(1, ...lines));
    const graph = graphOf({ tasks }, isNarrow, height);
    return { played: { graph, film: filmOf(run, pipeline, graph.edges) }, problem: null };
  } catch (error) {
    const issues = error instanceof Fault ? error.issues.map(({ message }) => message) : [];
    return { played: null, problem: [String((error as Error).message), ...issues].join("; ") };
  }
}

interface PlayerProps {
  readonly played: Played;
  readonly isNarrow: boolean;
  readonly name: string;
}

function Player({ played: { graph, film }, isNarrow, name }: PlayerProps) {
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
