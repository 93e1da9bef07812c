/** A simulated run, played or stepped through: requests wait, form batches, and move on. */
import { MarkerType } from "@xyflow/react";
import { useEffect, useMemo, useState } from "react";
import {
  Button,
  Label,
  Slider,
  SliderOutput,
  SliderThumb,
  SliderTrack,
} from "react-aria-components";
import {
  Fault,
  playedRun,
  readScenario,
  type ScenarioSource,
  scenarioSource,
} from "../../library/browser.ts";
import { Choice } from "../shared/choice.tsx";
import { percent } from "../shared/format.ts";
import { useUrlState } from "../shared/url-state.ts";
import { useConnection } from "../shared/use-connection.tsx";
import { EXAMPLES, readExample } from "../what-if/examples.ts";
import { DrawnGraph, useIsNarrow } from "./drawn-graph.tsx";
import { graphOf, type PipelineGraph } from "./graph.ts";
import { type Film, filmOf, frameOf, instantBeside, lastEvent, movesAt } from "./played-frame.ts";
import type { ShareEdge, TaskNode } from "./task-box.tsx";
import { useClock } from "./use-clock.ts";

const REQUESTS = 200;
/** Branches that join: the most to see. */
const EXAMPLE = "stock-prediction";
const OF_CLUSTER = "the cluster's scenario";
/** Of a box: what is written in it, and a line for each of its replicas. */
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
  const source = useSource(name);
  const isNarrow = useIsNarrow();
  const { played, problem } = useMemo(() => playedOf(source, isNarrow), [source, isNarrow]);
  const names = [...(deployed === null ? [] : [OF_CLUSTER]), ...EXAMPLES];
  return (
    <section className="card" aria-labelledby="played">
      <h2 id="played">A simulated run</h2>
      <Choice
        label="Scenario"
        value={name}
        options={names.map((id) => ({ id, name: id }))}
        onChange={setName}
      />
      {problem !== null && (
        <p role="alert" className="bad">
          {problem}
        </p>
      )}
      {played !== null && <Player key={`${name} ${isNarrow}`} {...{ played, isNarrow, name }} />}
    </section>
  );
}

/** Null until it is read. */
function useSource(name: string): ScenarioSource | null {
  const { deployed } = useConnection();
  const [example, setExample] = useState<ScenarioSource | null>(null);
  useEffect(() => {
    let isWanted = true;
    void readExample(name).then((read) => isWanted && setExample(read));
    return () => {
      isWanted = false;
    };
  }, [name]);
  return useMemo(() => {
    if (name !== OF_CLUSTER) return example;
    return deployed === null ? null : scenarioSource(deployed);
  }, [name, example, deployed]);
}

/** The first pipeline of the scenario, and its first requests. */
function playedOf(source: ScenarioSource | null, isNarrow: boolean) {
  if (source === null) return { played: null, problem: null };
  try {
    const { text, file, files } = source;
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
        <Choice label="Speed" value={speed} options={SPEEDS} onChange={setSpeed} />
        <Slider
          className="time"
          value={atMs}
          maxValue={Math.max(1, film.endMs)}
          step={Math.max(1, film.endMs) / 1000}
          onChange={(value) => setAtMs(value as number)}
        >
          <Label>Time of the run</Label>
          <SliderOutput>{() => `${(atMs / 1000).toFixed(3)} s`}</SliderOutput>
          <SliderTrack className="rail">
            <SliderThumb className="thumb-knob" />
          </SliderTrack>
        </Slider>
      </div>
      <p aria-live={isPlaying ? "off" : "polite"} data-testid="last-event">
        {lastEvent(film, atMs)}
      </p>
      <DrawnGraph sheet={`${name} ${isNarrow}`} nodes={nodes} edges={edges} />
      <p className="muted small">
        The first {REQUESTS} requests of the scenario's first pipeline, as `tandem simulate` runs
        them. A dot is a request: above it waits, in a frame a replica serves it. Utilisation is of
        the last {(film.windowMs / 1000).toPrecision(2)} s.
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
  const nodes = graph.tasks.map(({ task, model, x, y }): TaskNode => {
    const frame = frameOf(film, task, atMs);
    const busy = frame.replicas.filter(({ requests }) => requests.length > 0).length;
    const lines = [`${busy} of ${frame.replicas.length} serve · ${frame.served} served`];
    return {
      ...{ id: task, type: "task", position: { x, y } },
      ariaLabel: `${task}: ${frame.waiting.length} wait, ${lines[0]}`,
      data: {
        ...{ title: task, model, isNarrow, lines, isBottleneck: false, played: frame },
        utilizationRatio: frame.utilizationRatio,
      },
    };
  });
  const edges = graph.edges.map((edge): ShareEdge => {
    const { from, to, when } = edge;
    const moves = movesAt(film, edge, atMs);
    const share = frameOf(film, from, atMs).served;
    const taken = film.stays.filter(
      (stay) => stay.task === to && stay.from === from && stay.waitMs <= atMs,
    ).length;
    const parts = [when, share === 0 ? null : percent(Math.min(1, taken / share))];
    const label = parts.filter((part) => part !== null).join(" · ");
    return {
      ...{ id: `${from} ${to}`, type: "share", source: from, target: to },
      markerEnd: { type: MarkerType.ArrowClosed },
      ariaLabel: `from ${from} to ${to} ${label}`,
      data: { label, isBusy: moves.length > 0, moves },
    };
  });
  return { nodes, edges };
}
