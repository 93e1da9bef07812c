/** A heat map for large sweeps: the share within the SLO, shape by load, a panel for each scheduler. */
import { grouped } from "../../engine/basics/iterables.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { figureText, formatNumber, isUnstable, plural, withUnit } from "../tables/format.ts";
import { attainedBy, choicesOf, costAxis, goalText } from "../tables/goals.ts";
import {
  axesText,
  configurationLabel,
  loadAxis,
  type SweepAxis,
  schedulerAxis,
  sweepAxes,
  valueText,
} from "../tables/parameters.ts";
import {
  type Drawn,
  keysOf,
  type Layer,
  namesAxis,
  SILENT,
  spreadAround,
  titled,
} from "./encodings.ts";
import { INK, NARROW_PX, panelHeader, textWidth } from "./theme.ts";

const MOST_SHAPES = 40;
/** Cells in all: the page is to stay small. */
const WIDE = { cells: 2000, loads: 24, schedulers: 8 } as const;
const NARROW = { cells: 600, loads: 10, schedulers: 4 } as const;
const LABELLED_PX = 26;

/** States in order, with a fill and the ink on it: no colours that a dark page changes. */
const STATES = [
  ["meets", "#0071b1", "#fefefe"],
  ["unclear", "#9ecae1", "#000000"],
  ["misses, 90 % and more", "#fee0b6", "#000000"],
  ["misses, 50 % and more", "#f1a340", "#000000"],
  ["misses, less", "#b35806", "#fefefe"],
  ["overloaded", "#8a8f98", "#000000"],
] as const;

type StateName = (typeof STATES)[number][0];

function stateOf(one: ConfigurationResult, share: number): StateName {
  if (isUnstable(one)) return "overloaded";
  if (one.slo === "meets") return one.slo;
  // Runs for a validation are not judged.
  if (one.slo === "unclear" || one.slo === undefined) return "unclear";
  if (share >= 0.9) return "misses, 90 % and more";
  return share >= 0.5 ? "misses, 50 % and more" : "misses, less";
}

interface Roles {
  readonly load: SweepAxis;
  readonly scheduler: SweepAxis | undefined;
  readonly shape: readonly SweepAxis[];
}

function rolesOf(document: ResultsDocument): Roles | undefined {
  const axes = sweepAxes(document);
  const load = loadAxis(axes);
  if (load === undefined) return undefined;
  const scheduler = schedulerAxis(axes);
  return { load, scheduler, shape: axes.filter((axis) => axis !== load && axis !== scheduler) };
}

function cellsOf(document: ResultsDocument, { load, scheduler, shape }: Roles) {
  const axes = sweepAxes(document);
  const keyOf = keysOf(document);
  const chosen = new Set(choicesOf(document).flatMap(({ best }) => best));
  const cost = costAxis(document);
  return document.configurations.flatMap((one) => {
    const [attained] = attainedBy(one, document);
    if (attained === undefined) return [];
    const { share, goal } = attained;
    const percent = figureText(one, "sloAttainmentRatio", share);
    const state = stateOf(one, share.mean);
    return {
      load: Number(one.parameters[load.path]),
      scheduler: scheduler === undefined ? "" : valueText(scheduler, one.parameters),
      shape: axesText(shape, one.parameters) || "the cluster",
      cost: cost.of(one) ?? 0,
      percent: percentText(share.mean),
      state,
      chosen: chosen.has(one),
      ink: STATES.find(([name]) => name === state)?.[2] ?? INK,
      key: keyOf(one.parameters),
      tip:
        `${configurationLabel(one, axes)}; ${withUnit(percent, "%")} within ${formatNumber(goal.latencyMs, 4)} ms; ` +
        `${cost.title}: ${formatNumber(cost.of(one) ?? Number.NaN)}; ${state}`,
    };
  });
}

/** Rounded down, so that only all are 100; near it, with a tenth more. */
function percentText(share: number): string {
  const tenths = Math.floor(share * 1000 + 1e-9) / 10;
  return String(tenths > 99 && tenths < 100 ? tenths : Math.floor(tenths));
}

type Cell = ReturnType<typeof cellsOf>[number];

/** The cheapest first; of too many, those of the decision and some that stand for the rest. */
function shapesShown(cells: readonly Cell[], most: number): readonly string[] {
  const shapes = [...grouped(cells, (cell) => cell.shape)].map(([name, own]) => ({
    name,
    cost: Math.min(...own.map((cell) => cell.cost)),
    chosen: own.some((cell) => cell.chosen),
  }));
  const sorted = shapes.toSorted(
    (a, b) => a.cost - b.cost || a.name.localeCompare(b.name, "en", { numeric: true }),
  );
  return spreadAround(sorted, ({ chosen }) => chosen, most).map(({ name }) => name);
}

function layers(
  loads: readonly number[],
  shapes: readonly string[],
  load: SweepAxis,
  step: number,
): Layer[] {
  const x = {
    field: "load",
    type: "ordinal" as const,
    sort: [...loads],
    title: load.title,
    axis: { labelAngle: 0, labelOverlap: true },
  };
  const at = { x, y: namesAxis("shape", shapes, false) };
  const scale = { domain: STATES.map(([name]) => name), range: STATES.map(([, fill]) => fill) };
  return [
    {
      mark: { type: "rect", description: { expr: "datum.tip + datum.key" } },
      encoding: {
        ...at,
        color: { field: "state", type: "nominal", title: null, scale },
        tooltip: { field: "tip" },
      },
    },
    {
      transform: [{ filter: "datum.chosen" }],
      mark: { type: "rect", filled: false, stroke: INK, strokeWidth: 2, ...SILENT },
      encoding: at,
    },
    ...(step < LABELLED_PX
      ? []
      : [
          {
            mark: { type: "text" as const, fontSize: 10, ...SILENT },
            encoding: {
              ...at,
              text: { field: "percent" },
              color: { field: "ink", type: "nominal" as const, scale: null },
            },
          },
        ]),
  ];
}

/** Undefined unless a numeric load is swept, beside a shape or a scheduler, in a scenario with an SLO. */
export function attainmentMap(document: ResultsDocument, isNarrow = false): Drawn {
  const roles = rolesOf(document);
  if (roles === undefined) return undefined;
  const cells = cellsOf(document, roles);
  const most = isNarrow ? NARROW : WIDE;
  const chosen = cells.filter((cell) => cell.chosen);
  const loads = spreadAround(
    roles.load.levels.map(Number),
    (load) => chosen.at(-1)?.load === load,
    most.loads,
  );
  const all = [...new Set(cells.map((cell) => cell.scheduler))];
  const schedulers = spreadAround(
    all,
    (name) => chosen.some(({ scheduler }) => scheduler === name),
    most.schedulers,
  );
  const fitting = Math.floor(most.cells / Math.max(1, loads.length * schedulers.length));
  const shapes = shapesShown(cells, Math.max(4, Math.min(MOST_SHAPES, fitting)));
  if (shapes.length * schedulers.length < 2 || loads.length < 2) return undefined;
  const rows = cells.filter(
    ({ load, scheduler, shape }) =>
      loads.includes(load) && schedulers.includes(scheduler) && shapes.includes(shape),
  );
  const labels = Math.max(...shapes.map((name) => Math.min(460, textWidth(name, 11))));
  const columns = Math.min(schedulers.length, 4);
  const width = isNarrow ? NARROW_PX - 80 : Math.max(90, (1040 - labels - 30 * columns) / columns);
  const step = Math.min(96, width / loads.length);
  const goal = document.slo === undefined ? "the SLO" : goalText(document.slo);
  const shapeCount = new Set(cells.map((cell) => cell.shape)).size;
  const notes = [
    `share of requests within ${goal}, in %, rounded down; cheapest shape on top; framed: the decision`,
    ...(shapes.length < shapeCount ? [`${shapes.length} of ${shapeCount} shapes`] : []),
    ...(loads.length < roles.load.levels.length
      ? [`${loads.length} of ${roles.load.levels.length} loads`]
      : []),
    ...(schedulers.length < all.length ? [`${schedulers.length} of ${all.length} schedulers`] : []),
  ];
  return {
    ...titled("Which configuration meets the SLO", notes.join("; ")),
    description: `Share within the SLO of ${plural(rows.length, "configuration")}, shape by ${roles.load.name}.`,
    data: { values: rows },
    facet: {
      field: "scheduler",
      type: "nominal",
      sort: schedulers.map(String),
      header: panelHeader(schedulers, width),
    },
    columns,
    spec: {
      width: { step },
      height: { step: shapes.length > 12 ? 20 : 28 },
      layer: layers(loads, shapes, roles.load, step),
    },
  };
}
