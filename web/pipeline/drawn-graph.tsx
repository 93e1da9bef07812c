/** A pipeline's tasks and edges on a sheet that can be moved and zoomed. */
import { Background, Controls, ReactFlow } from "@xyflow/react";
import "@xyflow/react/dist/style.css";
import "./pipeline.css";
import { useSyncExternalStore } from "react";
import { Share, type ShareEdge, TaskBox, type TaskNode } from "./task-box.tsx";

const NODES = { task: TaskBox };
const EDGES = { share: Share };
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
