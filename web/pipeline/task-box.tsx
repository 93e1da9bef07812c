/** A task in the drawing, coloured by how busy it is, and an edge with its share of the requests. */
import {
  BaseEdge,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  getBezierPath,
  Handle,
  type Node,
  type NodeProps,
  Position,
} from "@xyflow/react";

export interface TaskFigures {
  readonly title: string;
  readonly model: string;
  /** 0 to 1. */
  readonly utilizationRatio: number;
  /** Lines of small text. */
  readonly lines: readonly string[];
  readonly isNarrow: boolean;
  /** The task that limits the pipeline. */
  readonly isBottleneck: boolean;
}

export type TaskNode = Node<TaskFigures & Record<string, unknown>, "task">;
export type ShareEdge = Edge<{ readonly label: string; readonly isBusy: boolean }, "share">;

/** Free, working, near its limit. */
export function levelOf(utilizationRatio: number): "low" | "middle" | "high" {
  if (utilizationRatio >= 0.85) return "high";
  return utilizationRatio >= 0.5 ? "middle" : "low";
}

export function TaskBox({ data }: NodeProps<TaskNode>) {
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
      <Handle type="source" position={isNarrow ? Position.Bottom : Position.Right} />
    </div>
  );
}

export function Share({ data, markerEnd, ...ends }: EdgeProps<ShareEdge>) {
  const [path, x, y] = getBezierPath(ends);
  return (
    <>
      <BaseEdge
        path={path}
        className={data?.isBusy ? "flow" : ""}
        {...(markerEnd === undefined ? {} : { markerEnd })}
      />
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
