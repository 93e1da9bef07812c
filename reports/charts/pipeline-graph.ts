/** The pipeline drawn: tasks as boxes with their utilisation and their share of the slowest requests. */
import type { ConfigurationResult } from "../../core/results.ts";
import type { RunDetail, TailPart } from "../../core/run-detail.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import { formatNumber } from "../tables/format.ts";
import { type Drawn, type Encoding, KEY_MARK, type Layer, titled } from "./encodings.ts";
import { CONFIG, INK, MUTED } from "./theme.ts";

const BOX = { width: 190, height: 66 } as const;
const GAP = { x: 60, y: 22 } as const;
/** On a narrow page the pipeline runs downwards. */
const NARROW = { gap: { x: 16, y: 34 }, inRow: 2, width: 345 } as const;
/** Above each pipeline of several stands its name. */
const HEADING = 26;
const MOST_WIDTH = 1000;

/** Fills by utilisation, each with the ink that stays legible on it. */
const FILLS = [
  [0.3, "#deebf7", "#000000"],
  [0.5, "#9ecae1", "#000000"],
  [0.7, "#6baed6", "#000000"],
  [0.85, "#f1a340", "#000000"],
  [Number.POSITIVE_INFINITY, "#b35806", "#fefefe"],
] as const;
const UNKNOWN = ["#e8eaed", "#000000"] as const;
const NAME = { fontSize: 13, fontWeight: "bold" } as const;

type Tasks = ScenarioDocument["pipelines"][string]["tasks"];

interface Box {
  readonly task: string;
  readonly x: number;
  readonly y: number;
}

/** Layers by the longest way from an entry; a layer's tasks below each other, centred. Narrow: layers below each other. */
function placeTasks(tasks: Tasks, isNarrow: boolean): readonly Box[] {
  const layerOf = new Map<string, number>();
  const depth = (name: string): number => {
    const known = layerOf.get(name);
    if (known !== undefined) return known;
    // Scenarios have no circles; a broken file must not hang the report.
    layerOf.set(name, 0);
    const found = Math.max(0, ...(tasks[name]?.after ?? []).map((one) => depth(one) + 1));
    layerOf.set(name, found);
    return found;
  };
  const layers: string[][] = [];
  for (const name of Object.keys(tasks)) {
    const layer = depth(name);
    layers[layer] = [...(layers[layer] ?? []), name];
  }
  const { inRow, gap } = NARROW;
  const rows = isNarrow ? layers.flatMap((layer) => chunks(layer, inRow)) : layers;
  const most = Math.max(...rows.map((row) => row.length));
  return rows.flatMap((row, i) =>
    row.map((task, k) => {
      const beside = k + (most - row.length) / 2;
      return isNarrow
        ? { task, x: beside * (BOX.width + gap.x), y: i * (BOX.height + gap.y) }
        : { task, x: i * (BOX.width + GAP.x), y: beside * (BOX.height + GAP.y) };
    }),
  );
}

function chunks<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  const starts = Array.from({ length: Math.ceil(all.length / size) }, (_, i) => i * size);
  return starts.map((start) => all.slice(start, start + size));
}

/** A task's own figure, or the largest of its variants'. */
function utilisationOf({ tasks }: ConfigurationResult, task: string): number | undefined {
  const own = Object.entries(tasks).filter(
    ([name]) => name === task || name.startsWith(`${task}@`),
  );
  const values = own.flatMap(([, { utilizationRatio }]) => utilizationRatio?.mean ?? []);
  return values.length === 0 ? undefined : Math.max(...values);
}

function boxRow(
  { task, x, y }: Box,
  one: ConfigurationResult,
  part: TailPart | undefined,
  tailMs: number,
) {
  const utilisation = utilisationOf(one, task);
  const [fill, ink] =
    utilisation === undefined
      ? UNKNOWN
      : (FILLS.find(([most]) => utilisation <= most)?.slice(1) ?? UNKNOWN);
  const replicas = one.tasks[task]?.replicasMean?.mean;
  const count = replicas === undefined ? "" : ` × ${formatNumber(replicas)}`;
  const busy = utilisation === undefined ? "" : `${formatNumber(utilisation * 100)} % busy`;
  const share =
    part === undefined || tailMs <= 0
      ? ""
      : `${formatNumber((100 * (part.waitMs + part.serviceMs)) / tailMs)} % of the slowest`;
  const detail =
    part === undefined
      ? ""
      : `; on the critical path of ${formatNumber(100 * part.onPathRatio)} % of the slowest; waits ${formatNumber(part.waitMs)} ms, service ${formatNumber(part.serviceMs)} ms`;
  return {
    x,
    x2: x + BOX.width,
    y,
    y2: y + BOX.height,
    middle: x + BOX.width / 2,
    nameY: y + 18,
    busyY: y + 36,
    shareY: y + 53,
    fill,
    ink,
    name: `${task}${count}`,
    busy,
    share,
    tip: `${task}${count}; ${busy}${detail}`,
    key: KEY_MARK,
  };
}

function edgeRows(
  tasks: Tasks,
  boxes: readonly Box[],
  part: (task: string) => TailPart | undefined,
  isNarrow: boolean,
) {
  const byTask = new Map(boxes.map((box) => [box.task, box]));
  const [right, down] = isNarrow ? [0.5, 1] : [1, 0.5];
  return Object.entries(tasks).flatMap(([name, { after = [], when }]) =>
    after.flatMap((before) => {
      const [from, to] = [byTask.get(before), byTask.get(name)];
      if (from === undefined || to === undefined) return [];
      const probability = when?.probability;
      const start = { x: from.x + right * BOX.width, y: from.y + down * BOX.height };
      const end = { x2: to.x + (1 - right) * BOX.width, y2: to.y + (1 - down) * BOX.height };
      return {
        ...start,
        ...end,
        middle: (start.x + end.x2) / 2 + (isNarrow ? 24 : 0),
        labelY: (start.y + end.y2) / 2 - (isNarrow ? 0 : 8),
        label: probability === undefined ? "" : `${formatNumber(100 * probability)} %`,
        weight: 1 + 3 * (part(name)?.onPathRatio ?? 0),
      };
    }),
  );
}

function drawn(
  boxes: object[],
  edges: object[],
  headings: readonly object[],
  extent: { x: number; y: number },
): Layer[] {
  const scaled = (domain: number[]) => (field: string) => ({
    type: "quantitative",
    axis: null,
    field,
    scale: { domain, nice: false, reverse: false },
  });
  const [at, down] = [scaled([0, extent.x]), scaled([extent.y, 0])];
  const corners = { x: at("x"), y: down("y"), x2: { field: "x2" }, y2: { field: "y2" } };
  const text = (x: string, y: string, field: string, ink: object, bold = false): Layer => ({
    data: { values: boxes },
    mark: { type: "text", aria: false, ...(bold ? NAME : { fontSize: 11 }) },
    encoding: { x: at(x), y: down(y), text: { field }, color: ink } as Encoding,
  });
  const ink = { field: "ink", type: "nominal", scale: null };
  return [
    {
      data: { values: edges },
      mark: { type: "rule", color: MUTED, aria: false },
      encoding: {
        ...corners,
        strokeWidth: { field: "weight", type: "quantitative", scale: null },
      } as Encoding,
    },
    {
      data: { values: boxes },
      mark: { type: "rect", cornerRadius: 6, description: { expr: "datum.tip + datum.key" } },
      encoding: {
        ...corners,
        color: { field: "fill", type: "nominal", scale: null },
        tooltip: { field: "tip" },
      } as Encoding,
    },
    text("middle", "nameY", "name", ink, true),
    text("middle", "busyY", "busy", ink),
    text("middle", "shareY", "share", ink),
    {
      data: { values: [...edges, ...headings] },
      mark: { type: "text", fontSize: 11, color: INK, aria: false },
      encoding: { x: at("middle"), y: down("labelY"), text: { field: "label" } } as Encoding,
    },
  ];
}

/** `detail` is of the same configuration; without it, utilisation alone is shown. */
export function pipelineGraph(
  scenario: ScenarioDocument | undefined,
  one: ConfigurationResult | undefined,
  detail: RunDetail | undefined,
  isNarrow = false,
): Drawn {
  if (scenario === undefined || one === undefined) return undefined;
  const pipelines = Object.entries(scenario.pipelines);
  const [boxes, edges, headings]: [object[], object[], object[]] = [[], [], []];
  let [top, right] = [0, 0];
  for (const [name, { tasks }] of pipelines) {
    if (pipelines.length > 1) {
      headings.push({ middle: BOX.width / 2, labelY: top + 10, label: name });
      top += HEADING;
    }
    const from = top;
    const placed = placeTasks(tasks, isNarrow).map((box) => ({ ...box, y: box.y + from }));
    const part = (task: string) =>
      detail?.tail.parts.find((own) => own.pipeline === name && own.task === task);
    boxes.push(...placed.map((box) => boxRow(box, one, part(box.task), detail?.tail.meanMs ?? 0)));
    edges.push(...edgeRows(tasks, placed, part, isNarrow));
    right = Math.max(right, ...placed.map(({ x }) => x + BOX.width));
    top = Math.max(...placed.map(({ y }) => y + BOX.height)) + GAP.y;
  }
  // A narrow page shows each chart as wide as itself: a smaller one would have larger letters.
  const extent = { x: isNarrow ? Math.max(right, NARROW.width) : right, y: top - GAP.y };
  const zoom = Math.min(1, (isNarrow ? NARROW.width : MOST_WIDTH) / extent.x);
  const subtitle =
    detail === undefined
      ? "colour: utilisation of its replicas"
      : "colour: utilisation of its replicas; thick: on the critical path of the slowest requests";
  return {
    ...titled(
      "Busy tasks and the critical path",
      `${subtitle}; of ${one.id.replaceAll(",", ", ")}`,
    ),
    config: { ...CONFIG, view: { stroke: null } },
    description: `The pipeline of ${Object.keys(one.tasks).length} tasks with their utilisation.`,
    width: Math.round(extent.x * zoom),
    height: Math.round(extent.y),
    layer: drawn(boxes, edges, headings, extent),
  };
}
