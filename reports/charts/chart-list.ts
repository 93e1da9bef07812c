/** Every chart of the report, in the order of the page, each for a wide page and for a narrow one. Add a chart here. */
import type { TopLevelSpec } from "vega-lite";
import type { RunDetail } from "../../engine/record/run-detail.ts";
import type { ResultsDocument } from "../../results/documents.ts";
import type { ProvenanceDocument } from "../../results/provenance.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import type { PlanView } from "../tables/documents.ts";
import { wrapped } from "../tables/format.ts";
import { attainmentMap } from "./attainment-map.ts";
import { costFront, costPer1000 } from "./cost.ts";
import { type Drawn, type KeyOf, keysOf } from "./encodings.ts";
import { latencyCdf, latencyQuantiles, tokenTimes } from "./latency.ts";
import { loadResponse } from "./metric-lines.ts";
import { planSearch } from "./plan-search.ts";
import { serviceFit, slowestRequests, timeline } from "./run-charts.ts";
import { CONFIG, NARROW_PX, panelHeader, textWidth, wrapText } from "./theme.ts";
import { predictedMeasured, predictionError } from "./validation.ts";
import { validationBlocks } from "./validation-blocks.ts";

export interface Chart {
  readonly name: string;
  /** "decision": the first piece of evidence, above the cards. */
  readonly section: "decision" | "evidence" | "bottleneck" | "time" | "validation" | "inputs";
  readonly spec: TopLevelSpec;
  /** In place of it where the page is narrow. */
  readonly narrow: TopLevelSpec;
}

interface ChartSources {
  readonly results: ResultsDocument;
  readonly validation?: ValidationDocument | undefined;
  readonly provenance?: ProvenanceDocument | undefined;
  readonly plan?: PlanView | undefined;
  readonly details?: readonly RunDetail[];
}

export function chartsOf(sources: ChartSources): readonly Chart[] {
  const narrow = drawnCharts(sources, true);
  const all = Object.entries(drawnCharts(sources, false)).flatMap(([section, charts]) =>
    Object.entries(charts).flatMap(([name, spec]): Chart[] => {
      const other = narrow[section as Section][name];
      if (spec === undefined || other === undefined) return [];
      const [wide, small] = [spec, other].map((one) => unpanelled(one as Part) as TopLevelSpec);
      const both = { spec: withLines(wide, WIDE_CHARACTERS), narrow: narrowed(small) };
      return [{ name, section: section as Section, ...both }];
    }),
  );
  const [first, ...rest] = all;
  return first?.section === "evidence" ? [{ ...first, section: "decision" }, ...rest] : all;
}

type Section = Exclude<Chart["section"], "decision">;

function drawnCharts(
  { results, validation, provenance, plan, details = [] }: ChartSources,
  isNarrow: boolean,
): Readonly<Record<Section, Readonly<Record<string, Drawn>>>> {
  const compared = pairOf(details);
  const timelines = compared.map((detail) => [
    `timeline-${detail.side}`,
    timeline(detail, results.slo),
  ]);
  return {
    evidence: {
      "plan-search": planSearch(plan, results, isNarrow),
      "cost-front": costFront(results, isNarrow),
      "attainment-map": attainmentMap(results, isNarrow),
      "latency-quantiles": latencyQuantiles(results, isNarrow),
      "token-times": tokenTimes(results, isNarrow),
      "latency-cdf": latencyCdf(results, validation),
      "load-response": loadResponse(results, isNarrow),
      "cost-per-1000": costPer1000(results),
    },
    bottleneck: {
      "slowest-requests": slowestRequests(compared),
    },
    time: Object.fromEntries(timelines),
    inputs: { "service-fit": serviceFit(provenance?.inputs.profiles ?? {}, compared) },
    validation: validation === undefined ? {} : validationCharts(validation, keysOf(results)),
  };
}

/** The measured run with the simulated one of the same configuration; without both, the decision's. */
function pairOf(details: readonly RunDetail[]): readonly RunDetail[] {
  const measured = details.find(({ side }) => side === "measured");
  const pair = details.filter(({ id }) => id === measured?.id);
  return pair.length === 2 ? pair : details.slice(0, 1);
}

function validationCharts(validation: ValidationDocument, keyOf: KeyOf) {
  return {
    "predicted-measured": predictedMeasured(validation, keyOf),
    "prediction-error": predictionError(validation, keyOf),
    "validation-blocks": validationBlocks(validation),
  };
}

/** With an axis, or without one. */
const MOST_PX = 345;
const MOST_COLUMNS = 2;
const BETWEEN_PX = 15;
const MOST_TICKS = 5;
const NAME = { size: 10, most: 110, line: 12 } as const;
const LEGEND = { size: 11, most: NARROW_PX - 20, symbol: 34 } as const;
const MOST_CHARACTERS = 56;
const WIDE_CHARACTERS = 150;

const BELOW = { direction: "vertical", anchor: "start" };
const NARROW_CONFIG = {
  title: { ...CONFIG.title, fontSize: 14, subtitleFontSize: 11 },
  legend: { ...CONFIG.legend, titleOrient: "top", layout: { top: BELOW, bottom: BELOW } },
};

/** The parts of specifications that have a width. */
interface Part {
  readonly vconcat?: readonly Part[];
  readonly concat?: readonly Part[];
  readonly layer?: readonly Part[];
  readonly facet?: Facet & { readonly row?: Facet; readonly column?: Facet };
  readonly spec?: Part;
  readonly encoding?: Readonly<Record<string, Channel>>;
  readonly columns?: number;
  readonly resolve?: object | undefined;
  readonly width?: number | object;
  readonly height?: number | { readonly step: number };
}

interface Facet {
  readonly sort: readonly string[];
  readonly header?: object | undefined;
}

interface Channel {
  readonly type?: string;
  readonly sort?: readonly string[];
  readonly axis?: { readonly tickCount?: number; readonly labels?: boolean } | null;
  readonly legend?: { readonly orient?: string } | null;
  readonly scale?: { readonly domain?: readonly unknown[] } | null;
}

/** A facet leaves a strip for the heading of its only panel, also where that has no name. `resolve` is among panels. */
function unpanelled(part: Part): Part {
  const { vconcat, facet, spec, columns: _, resolve: __, ...rest } = part;
  if (vconcat !== undefined) return { ...part, vconcat: vconcat.map(unpanelled) };
  const isOnly = (facet?.row ?? facet?.column ?? facet)?.sort.join("|") === "";
  return spec !== undefined && isOnly ? { ...rest, ...spec } : part;
}

/** For a narrow page: panels below each other, long names in lines, legends that fit. */
function narrowed(spec: TopLevelSpec): TopLevelSpec {
  const { title } = withLines(spec, MOST_CHARACTERS);
  const config = { ...spec.config, ...NARROW_CONFIG };
  return { ...narrowPart(spec as Part), title, config } as TopLevelSpec;
}

/** The title and what it says below in lines of so many characters, as Vega-Lite breaks none. */
function withLines(spec: TopLevelSpec, most: number): TopLevelSpec {
  const { text, subtitle } = spec.title as { text: string; subtitle: string };
  const lines = (long: string) => (long.length <= most ? long : wrapped(long, most).split("\n"));
  return { ...spec, title: { text: lines(text), subtitle: lines(subtitle) } };
}

function narrowPart(part: Part, most = 1): Part {
  const { vconcat, concat, facet, spec, layer, encoding, width, height } = part;
  if (vconcat) return { ...part, vconcat: vconcat.map((one) => narrowPart(one, MOST_COLUMNS)) };
  if (concat) return { ...part, columns: 1, concat: concat.map((one) => narrowPart(one)) };
  if (facet && spec) {
    const own = facet.row ?? facet.column ?? facet;
    const columns = Math.min(most, Math.ceil(own.sort.length / 2));
    const each = Math.floor((NARROW_PX - BETWEEN_PX * (columns - 1)) / columns);
    const isStepped = typeof spec.width === "object";
    const inner = isStepped ? spec : { ...spec, width: each };
    const header = isStepped ? own.header : panelHeader(own.sort, each);
    // As of `costFront`.
    const isFull = own.sort.length % columns === 0;
    const resolve = isFull ? part.resolve : { ...part.resolve, axis: { x: "independent" } };
    return { ...part, columns, facet: { ...own, header }, spec: narrowPart(inner), resolve };
  }
  const lines = Math.max(0, ...[part, ...(layer ?? [])].map(nameLines));
  return {
    ...part,
    ...(typeof width === "number" && width > MOST_PX && { width: NARROW_PX }),
    ...(typeof height === "object" && {
      height: { step: Math.max(height.step, NAME.line * lines + 4) },
    }),
    ...(encoding && { encoding: narrowChannels(encoding) }),
    ...(layer && { layer: layer.map((one) => narrowPart(one)) }),
  };
}

function namesOf({ type, sort, axis }: Channel): readonly string[] {
  return type === "nominal" && axis?.labels !== false && Array.isArray(sort) ? sort : [];
}

function nameLines({ encoding }: Part): number {
  const names = encoding?.y === undefined ? [] : namesOf(encoding.y);
  return Math.max(0, ...names.map((name) => wrapText(name, NAME.size, NAME.most).length));
}

function narrowChannels(encoding: Readonly<Record<string, Channel>>) {
  return Object.fromEntries(
    Object.entries(encoding).map(([name, channel]) => [name, narrowChannel(name, channel)]),
  );
}

function narrowChannel(channelName: string, channel: Channel): Channel {
  const { axis, legend, scale } = channel;
  const names = namesOf(channel);
  const shown = (scale?.domain ?? []).filter((one) => typeof one === "string");
  return {
    ...channel,
    ...(axis?.tickCount && {
      axis: { ...axis, tickCount: Math.min(axis.tickCount, MOST_TICKS) },
    }),
    ...(names.length > 0 && {
      axis: { ...axis, ...inLines(names, NAME), ...(channelName === "y" && raised(names)) },
    }),
    ...(shown.length > 0 && legend !== null && { legend: narrowLegend(shown, legend) }),
  };
}

/** Vega puts the first line of a label at its tick: the middle of the shortest ones goes there. */
function raised(names: readonly string[]) {
  const lines = names.map((name) => wrapText(name, NAME.size, NAME.most).length);
  return { labelOffset: (-NAME.line * (Math.min(...lines) - 1)) / 2 };
}

function narrowLegend(
  names: readonly string[],
  { orient, ...legend }: Channel["legend"] & object = {},
) {
  const widest = Math.max(...names.map((name) => textWidth(name, LEGEND.size)));
  const columns = Math.max(1, Math.floor(NARROW_PX / (widest + LEGEND.symbol)));
  const place = orient === "bottom" ? orient : "top";
  return { ...legend, orient: place, direction: "horizontal", columns, ...inLines(names, LEGEND) };
}

/** Labels that break where they are wider than `most`. */
function inLines(names: readonly string[], { size, most }: { size: number; most: number }) {
  const table = Object.fromEntries(names.map((name) => [name, wrapText(name, size, most)]));
  return {
    labelFontSize: size,
    labelLimit: most,
    labelExpr: `(${JSON.stringify(table)})[datum.value]`,
  };
}
