/** A pipeline drawn: tasks coloured by how busy they are, edges with their shares, on a sheet that moves and zooms. */
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
import { percent } from "../shared/format.ts";
import { seriesColour } from "../shared/parts.tsx";
import { BOX, type TaskEdge, type TaskPlace } from "./graph.ts";
import type { Move, TaskFrame } from "./played-frame.ts";

const narrow = matchMedia("(max-width: 700px)");

export function useIsNarrow(): boolean {
  return useSyncExternalStore(
    (listener) => {
      narrow.addEventListener("change", listener);
      return () => narrow.removeEventListener("change", listener);
    },
    () => narrow.matches,
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
  /** Requests that wait in a played run, and each replica's batch. */
  readonly played?: Pick<TaskFrame, "waiting" | "replicas">;
}

export type TaskNode = Node<TaskFigures & Record<string, unknown>, "task">;
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
    ...{ id: task, type: "task", position: { x, y }, ariaLabel: `${task}: ${told}` },
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
    ...{ id: `${from} ${to}`, type: "share", source: from, target: to },
    markerEnd: { type: MarkerType.ArrowClosed },
    ariaLabel: `from ${from} to ${to} ${label}`,
    data: { label, ...figures },
  };
}

/** Free, working, near its limit. */
export function levelOf(utilizationRatio: number): "low" | "middle" | "high" {
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
      {data.played && <Requests {...data.played} />}
      <Handle type="source" position={isNarrow ? Position.Bottom : Position.Right} />
    </div>
  );
}

/** More do not fit; their number is told. */
const MOST_DOTS = 12;

function Requests({ waiting, replicas }: Pick<TaskFrame, "waiting" | "replicas">) {
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

const MOST_ROWS = 6;

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
