/** The tab Pipeline: the deployment's, live, or a simulated run that is played. */
import { lazy, Suspense, useMemo } from "react";
import type { GatewayStatus } from "../../library/browser.ts";
import { queueOf, replicasOf } from "../shared/client.ts";
import { type Sample, useConnection } from "../shared/connection.ts";
import { figures, meanOf, milliseconds, percent } from "../shared/format.ts";
import { SelectEntry } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import {
  DrawnGraph,
  graphOf,
  type PipelineGraph,
  type ShareEdge,
  shareEdge,
  type TaskNode,
  taskNode,
  useIsNarrow,
} from "./drawn-graph.tsx";

/** Brings the simulator along. */
const PlayedPipeline = lazy(async () => ({
  default: (await import("./played-pipeline.tsx")).PlayedPipeline,
}));

const VIEWS = [
  { id: "live", name: "The deployment, live" },
  { id: "run", name: "A simulated run, step by step" },
];

export function Pipeline() {
  const { status } = useConnection();
  const [view, setView] = useUrlState("view", "live");
  return (
    <div className="column">
      <div className="card row">
        <SelectEntry label="Show" value={view} options={VIEWS} onChange={setView} />
        {view === "live" && status === null && (
          <span className="muted">A simulated run needs no server.</span>
        )}
      </div>
      {view === "live" ? (
        <LivePipeline />
      ) : (
        <Suspense fallback={<p role="status">Loading …</p>}>
          <PlayedPipeline />
        </Suspense>
      )}
    </div>
  );
}

/** Below this a bottleneck limits nothing. */
const BUSY = 0.5;

/** Utilisation, queues and branch shares of a running deployment, once a second. */
function LivePipeline() {
  const { deployed, status, samples } = useConnection();
  const isNarrow = useIsNarrow();
  const [asked, setAsked] = useUrlState("pipeline", "");
  const names = Object.keys(deployed?.document.pipelines ?? {});
  const name = names.includes(asked) ? asked : names[0];
  const pipeline = deployed?.document.pipelines[name];
  const graph = useMemo(
    () => (pipeline === undefined ? null : graphOf(pipeline, isNarrow)),
    [pipeline, isNarrow],
  );
  if (deployed === null || status === null || graph === null) {
    return (
      <p className="card">
        The pipeline shows when the page is connected to a Tandem gateway that lets it see its
        state: other servers have models only.
      </p>
    );
  }
  const live = new Map(
    graph.tasks.map(({ task }) => [task, liveTask(samples, status, task)] as const),
  );
  const bottleneck = bottleneckOf(live);
  const summary = status.pipelines.find((one) => one.name === name);
  const { nodes, edges } = elementsOf(graph, live, bottleneck, isNarrow);
  return (
    <section className="card" aria-labelledby="pipeline">
      <h2 id="pipeline">Pipeline {name}</h2>
      {names.length > 1 && (
        <SelectEntry label="Pipeline" value={name} options={names} onChange={setAsked} />
      )}
      <p>
        {figures(summary?.completedPerS ?? 0)} answers a second, {summary?.inFlight ?? 0} requests
        under way, median {milliseconds(summary?.latencyP50Ms)}, 99th percentile{" "}
        {milliseconds(summary?.latencyP99Ms)}.{" "}
        {bottleneck !== null && (
          <strong>
            The bottleneck is {bottleneck}: {percent(live.get(bottleneck)?.utilizationRatio ?? 0)}{" "}
            busy.
          </strong>
        )}
      </p>
      <DrawnGraph sheet={`${name} ${isNarrow}`} nodes={nodes} edges={edges} />
      <p className="muted small">
        By the server over its last {status.windowS} s. Green is free, yellow is working, orange is
        near its limit. An edge has its share of the jobs of the task before it.
      </p>
    </section>
  );
}

function elementsOf(
  graph: PipelineGraph,
  live: ReadonlyMap<string, LiveTask>,
  bottleneck: string | null,
  isNarrow: boolean,
): { readonly nodes: TaskNode[]; readonly edges: ShareEdge[] } {
  const nodes = graph.tasks.map((place) => {
    const one = live.get(place.task) as LiveTask;
    const lines = linesOf(one);
    const { utilizationRatio } = one;
    const isBottleneck = place.task === bottleneck;
    return taskNode(place, { utilizationRatio, lines, isNarrow, isBottleneck }, lines.join(", "));
  });
  const edges = graph.edges.map((edge) => {
    const [before, own] = [edge.from, edge.to].map((task) => live.get(task)?.jobsPerS ?? 0);
    return shareEdge(edge, before === 0 ? null : own / before, { isBusy: own > 0 });
  });
  return { nodes, edges };
}

function linesOf({ up, replicas, queue, inFlight, jobsPerS, ...of }: LiveTask) {
  const { serviceP50Ms, batchSizeMean } = of;
  const count = up === replicas ? `${up}` : `${up} of ${replicas}`;
  const batch = batchSizeMean === null ? "" : `, batches of ${figures(batchSizeMean)}`;
  return [
    `${count} ${replicas === 1 ? "replica" : "replicas"} · ${figures(jobsPerS ?? 0)} jobs/s`,
    `${queue} wait · ${inFlight} run`,
    `${milliseconds(serviceP50Ms)} each${batch}`,
  ];
}

/** The busiest task, where one is busy at all. */
function bottleneckOf(live: ReadonlyMap<string, LiveTask>): string | null {
  const [busiest] = [...live].sort(([, a], [, b]) => b.utilizationRatio - a.utilizationRatio);
  return busiest !== undefined && busiest[1].utilizationRatio >= BUSY ? busiest[0] : null;
}

/** Seconds over which rates are counted. */
const WINDOW_S = 10;

type LiveTask = ReturnType<typeof liveTask>;

function liveTask(samples: readonly Sample[], status: GatewayStatus, task: string) {
  const own = replicasOf(status, task);
  const up = own.filter(({ state }) => state === "up");
  return {
    up: up.length,
    replicas: own.length,
    /** Mean of the replicas that are up, 0 to 1. */
    utilizationRatio: meanOf(up.map(({ utilizationRatio }) => utilizationRatio)) ?? 0,
    queue: queueOf(status, task),
    inFlight: own.reduce((sum, { inFlight }) => sum + inFlight, 0),
    serviceP50Ms: meanOf(up.map(({ serviceP50Ms }) => serviceP50Ms)),
    batchSizeMean: meanOf(up.map(({ batchSizeMean }) => batchSizeMean)),
    jobsPerS: jobsPerS(samples, task),
  };
}

/** In the window of the samples; null while there is one sample only. */
function jobsPerS(samples: readonly Sample[], task: string): number | null {
  const last = samples.at(-1);
  const first = samples.find(({ atS }) => atS >= (last?.atS ?? 0) - WINDOW_S);
  if (last === undefined || first === undefined || first === last) return null;
  const seconds = (last.status.atMs - first.status.atMs) / 1000;
  // A replica that is gone takes its count along.
  return Math.max(0, jobsOf(last.status, task) - jobsOf(first.status, task)) / seconds;
}

function jobsOf(status: GatewayStatus, task: string): number {
  return replicasOf(status, task).reduce((sum, { jobs }) => sum + jobs, 0);
}
