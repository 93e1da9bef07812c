/** A pipeline as a drawing: places of its tasks, and the edges between them. */
import dagre from "@dagrejs/dagre";
import type { ScenarioDocument } from "../../library/browser.ts";

export const BOX = { width: 210, height: 140 } as const;

export interface TaskPlace {
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
    after.map((from): TaskEdge => ({ from, to, when: conditionText(when) })),
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
