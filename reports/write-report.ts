/** Result files to a report: one self-contained page, every chart as specification and image. */

import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import type { RunDetail } from "../engine/record/run-detail.ts";
import { chartsOf } from "./charts/chart-list.ts";
import type { DrawnChart } from "./html/elements.ts";
import { pageHtml, type WhatIfScenario } from "./html/page.ts";
import { renderSvg } from "./render-chart.ts";
import { answerText } from "./tables/answer.ts";
import { type ReadDocuments, readDocuments } from "./tables/documents.ts";
import { headlines } from "./tables/headlines.ts";
import { decisionsIn } from "./tables/plan-decision.ts";

export interface ReportOptions {
  readonly title?: string;
  /** Whether to write PNG files as well; false when absent. */
  readonly png?: boolean | undefined;
  /** The folder's documents, where the caller has read them. */
  readonly documents?: ReadDocuments;
  /** By load: a way out that was simulated, where nothing meets the SLO. */
  readonly advice?: Readonly<Record<string, string>>;
  /** Runs that the caller looked into, simulated and measured. */
  readonly details?: readonly RunDetail[];
  /** The prebuilt What-if asset (script or HTML); the page has it where the folder has a scenario. */
  readonly whatIf?: string;
  /** The scenario that the asset starts from; default: the whole scenario in the folder's provenance.json. */
  readonly scenario?: WhatIfScenario;
}

/** Where everything was written, the answers in sentences, and what the chart library found strange (nothing, normally). */
export interface ReportFiles {
  readonly html: string;
  readonly charts: readonly {
    readonly name: string;
    readonly spec: string;
    readonly svg: string;
    readonly png: string | undefined;
  }[];
  readonly headlines: readonly string[];
  readonly warnings: readonly string[];
}

/** Readers see the old file or the new one, never half of one. */
async function writeAtomically(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/**
 * Reads `results.json` and, if there, `validation.json` from `directory`; writes `report.html` and
 * `charts/<name>.{vl.json,svg}` into it, and PNG where asked for.
 * Throws Fault("not-found") without results.json, Fault("invalid-input") for malformed files.
 */
export async function writeReport(
  directory: string,
  options: ReportOptions = {},
): Promise<ReportFiles> {
  const documents = options.documents ?? (await readDocuments(directory));
  const { results, provenance } = documents;
  const folder = join(directory, "charts");
  await mkdir(folder, { recursive: true });
  const drawn: DrawnChart[] = [];
  const charts: ReportFiles["charts"][number][] = [];
  const warnings: string[] = [];
  for (const chart of chartsOf({ ...documents, details: options.details ?? [] })) {
    const rendered = await renderSvg(chart.spec);
    const base = join(folder, chart.name);
    const [spec, svg] = [`${base}.vl.json`, `${base}.svg`];
    const png = options.png === true ? `${base}.png` : undefined;
    await writeAtomically(spec, `${JSON.stringify(chart.spec, null, 2)}\n`);
    await writeAtomically(svg, rendered.svg);
    if (png !== undefined) await writeAtomically(png, renderPng(rendered.svg));
    const narrow = await renderSvg(chart.narrow);
    drawn.push({ ...chart, svg: rendered.svg, narrowSvg: narrow.svg });
    charts.push({ name: chart.name, spec, svg, png });
    const said = [...rendered.warnings, ...narrow.warnings];
    warnings.push(...said.map((warning) => `${chart.name}: ${warning}`));
  }
  const html = join(directory, "report.html");
  const title = options.title ?? results.scenario.name;
  const whole = provenance?.omitted === undefined ? provenance : undefined;
  const scenario = options.scenario ?? whole;
  const whatIf =
    options.whatIf === undefined || scenario === undefined
      ? undefined
      : { asset: options.whatIf, scenario };
  await writeAtomically(
    html,
    pageHtml({ ...documents, title, charts: drawn, whatIf, advice: options.advice ?? {} }),
  );
  const answer = answerText(decisionsIn(documents), results, documents.validation);
  const more = headlines(results, documents.validation).map(({ text }) => text);
  return { html, charts, headlines: [answer, ...more], warnings };
}

const PNG_ZOOM = 2;
const require = createRequire(import.meta.url);
const FONT_FILES = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"];

/** The SVG as PNG at twice its size; text is drawn with DejaVu Sans whatever the system has. */
export function renderPng(svg: string): Uint8Array {
  const fontFiles = FONT_FILES.map((file) => require.resolve(`dejavu-fonts-ttf/ttf/${file}`));
  const resvg = new Resvg(svg, {
    font: { fontFiles, loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
    fitTo: { mode: "zoom", value: PNG_ZOOM },
  });
  return resvg.render().asPng();
}
