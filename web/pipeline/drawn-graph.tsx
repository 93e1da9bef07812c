/**
 * A pipeline as a drawing: places of its tasks and the edges between them; tasks coloured by how busy they are,
 * edges with their shares, on a sheet that moves and zooms.
 */
import dagre from "@dagrejs/dagre";
import {
  Background,
  BaseEdge,
  Controls,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  getBezierPath,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
} from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import "./pipeline.css";
import { useSyncExternalStore } from "react";
import type { ScenarioDocument } from "../../library/browser.ts";
import { percent } from "../shared/format.ts";
import { seriesColour } from "../shared/parts.tsx";

const BOX = { width: 210, height: 140 } as const;

interface TaskPlace {
  readonly task: string;
  readonly model: string;
  /** Left and top. */
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

export interface TaskEdge {
  readonly from: string;
  readonly to: string;
  /** The condition in words; null: always. */
  readonly when: string | null;
}

export interface PipelineGraph {
  readonly tasks: readonly TaskPlace[];
  readonly edges: readonly TaskEdge[];
}

/** `height` is of each box. From left to right, or from top to bottom on a narrow screen. */
export function graphOf(
  pipeline: Pick<ScenarioDocument["pipelines"][string], "tasks">,
  isNarrow: boolean,
  height: number = BOX.height,
): PipelineGraph {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: isNarrow ? "TB" : "LR", ranksep: isNarrow ? 70 : 170, nodesep: 36 });
  graph.setDefaultEdgeLabel(() => ({}));
  const tasks = Object.entries(pipeline.tasks);
  for (const [task] of tasks) graph.setNode(task, { width: BOX.width, height });
  const edges = tasks.flatMap(([to, { after = [], when }]) =>
    after.map((edge): TaskEdge => {
      if (typeof edge === "string") return { from: edge, to, when: conditionText(when) };
      const texts = ["at the first token", conditionText(when)].filter((text) => text !== null);
      return { from: edge.task, to, when: texts.join(", ") };
    }),
  );
  for (const { from, to } of edges) graph.setEdge(from, to);
  dagre.layout(graph);
  return {
    edges,
    tasks: tasks.map(([task, { model, variants = [] }]) => {
      const { x, y } = graph.node(task);
      const text = model ?? `one of ${variants.length} variants`;
      return { task, model: text, x: x - BOX.width / 2, y: y - height / 2, height };
    }),
  };
}

function conditionText(
  when: { readonly contains?: string | undefined } | undefined,
): string | null {
  if (when === undefined) return null;
  return when.contains === undefined ? "sometimes" : `if ${when.contains}`;
}

const NARROW = "(max-width: 700px)";

export function useIsNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      const narrow = matchMedia(NARROW);
      narrow.addEventListener("change", listener);
      return () => narrow.removeEventListener("change", listener);
    },
    () => matchMedia(NARROW).matches,
  );
}

const NODES = { task: TaskBox };
const EDGES = { share: Share };

interface DrawnGraphProps {
  /** Another sheet for another key. */
  readonly sheet: string;
  readonly nodes: TaskNode[];
  readonly edges: ShareEdge[];
}

export function DrawnGraph({ sheet, nodes, edges }: DrawnGraphProps) {
  return (
    <div className="graph">
      <ReactFlow
        key={sheet}
        nodes={nodes}
        edges={edges}
        nodeTypes={NODES}
        edgeTypes={EDGES}
        fitView
        fitViewOptions={{ maxZoom: 1.25, padding: 0.12 }}
        nodesDraggable={false}
        nodesConnectable={false}
        preventScrolling={false}
        zoomOnScroll={false}
        colorMode="system"
      >
        <Background gap={24} />
        <Controls showInteractive={false} orientation="horizontal" />
      </ReactFlow>
    </div>
  );
}

/** Requests at a task. */
export interface Requests {
  /** Numbers of requests, the first come first. */
  readonly waiting: readonly number[];
  /** By replica: the requests of its batch. */
  readonly replicas: readonly { readonly name: string; readonly requests: readonly number[] }[];
}

interface TaskFigures {
  readonly title: string;
  readonly model: string;
  /** 0 to 1. */
  readonly utilizationRatio: number;
  /** Lines of small text. */
  readonly lines: readonly string[];
  readonly isNarrow: boolean;
  /** The task that limits the pipeline. */
  readonly isBottleneck: boolean;
  /** The requests here, where a run is played. */
  readonly played?: Requests;
}

export type TaskNode = Node<TaskFigures & Record<string, unknown>, "task">;
/** A request on its way along an edge, drawn for a moment: in the model it takes no time. */
export interface Move {
  readonly request: number;
  /** Share of the way, 0 to 1. */
  readonly progress: number;
}

interface ShareFigures {
  readonly label: string;
  readonly isBusy: boolean;
  readonly moves?: readonly Move[];
}

export type ShareEdge = Edge<ShareFigures & Record<string, unknown>, "share">;

/** A task as a node of the drawing; `ariaLabel` begins with its name. */
export function taskNode(
  { task, model, x, y, height }: TaskPlace,
  figures: Omit<TaskFigures, "title" | "model">,
  told: string,
): TaskNode {
  return {
    id: task,
    type: "task",
    position: { x, y },
    ariaLabel: `${task}: ${told}`,
    // A node without its size is hidden until it is measured: for as long as a run plays.
    measured: { width: BOX.width, height },
    data: { title: task, model, ...figures },
  };
}

/** An edge with its condition, and its share of the jobs before it where that is known. */
export function shareEdge(
  { from, to, when }: TaskEdge,
  share: number | null,
  figures: Omit<ShareFigures, "label">,
): ShareEdge {
  const parts = [when, share === null ? null : percent(Math.min(1, share))];
  const label = parts.filter((part) => part !== null).join(" · ");
  return {
    id: `${from} ${to}`,
    type: "share",
    source: from,
    target: to,
    markerEnd: { type: MarkerType.ArrowClosed },
    ariaLabel: `from ${from} to ${to} ${label}`,
    data: { label, ...figures },
  };
}

/** Free, working, near its limit. */
function levelOf(utilizationRatio: number): "low" | "middle" | "high" {
  if (utilizationRatio >= 0.85) return "high";
  return utilizationRatio >= 0.5 ? "middle" : "low";
}

function TaskBox({ data }: NodeProps<TaskNode>) {
  const { title, model, utilizationRatio, lines, isNarrow, isBottleneck } = data;
  const level = levelOf(utilizationRatio);
  const share = Math.round(utilizationRatio * 100);
  return (
    <div className={`task-box ${level}`} data-testid={`task-${title}`}>
      <Handle type="target" position={isNarrow ? Position.Top : Position.Left} />
      <strong>{title}</strong>
      <span className="muted">{model}</span>
      <div className="busy">
        <div className="bar">
          <div className={`fill ${level}`} style={{ width: `${share}%` }} />
        </div>
        <span>
          {share}% busy{isBottleneck && " · bottleneck"}
        </span>
      </div>
      {lines.map((line) => (
        <span key={line} className="small">
          {line}
        </span>
      ))}
      {data.played && <Dots {...data.played} />}
      <Handle type="source" position={isNarrow ? Position.Bottom : Position.Right} />
    </div>
  );
}

/** More do not fit; their number is told. */
const MOST_DOTS = 12;
const MOST_ROWS = 6;

function Dots({ waiting, replicas }: Requests) {
  const busy = replicas.filter(({ requests }) => requests.length > 0);
  const shown = (replicas.length > MOST_ROWS ? busy : replicas).slice(0, MOST_ROWS);
  return (
    <>
      <span className="dots" role="img" aria-label={`${waiting.length} wait`}>
        {waiting.slice(0, MOST_DOTS).map((request) => (
          <Dot key={request} request={request} />
        ))}
        {waiting.length > MOST_DOTS && <span>+{waiting.length - MOST_DOTS}</span>}
        {waiting.length === 0 && <span className="muted">nobody waits</span>}
      </span>
      {shown.map(({ name, requests }) => (
        <span key={name} className="dots served" role="img" aria-label={servedText(name, requests)}>
          {requests.slice(0, MOST_DOTS).map((request) => (
            <Dot key={request} request={request} />
          ))}
        </span>
      ))}
      {shown.length < replicas.length && (
        <span className="small">and {replicas.length - shown.length} more replicas</span>
      )}
    </>
  );
}

function servedText(name: string, requests: readonly number[]): string {
  if (requests.length === 0) return `${name} is idle`;
  return `${name} serves ${requests.map((request) => request + 1).join(", ")}`;
}

function Dot({ request }: { readonly request: number }) {
  const style = { background: `var(${seriesColour(request)})` };
  return <span className="dot" style={style} title={`request ${request + 1}`} />;
}

function Share({ data, markerEnd, ...ends }: EdgeProps<ShareEdge>) {
  const [path, x, y] = getBezierPath(ends);
  return (
    <>
      <BaseEdge
        path={path}
        className={data?.isBusy ? "flow" : ""}
        {...(markerEnd === undefined ? {} : { markerEnd })}
      />
      {data?.moves?.map(({ request, progress }) => (
        <circle
          key={request}
          r={6}
          className="moving"
          style={{
            fill: `var(${seriesColour(request)})`,
            offsetPath: `path("${path}")`,
            offsetDistance: `${progress * 100}%`,
          }}
        />
      ))}
      <EdgeLabelRenderer>
        <span
          className="share"
          style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
        >
          {data?.label}
        </span>
      </EdgeLabelRenderer>
    </>
  );
}
