/** The page of the study, in Markdown. */

import type { Estimate } from "../../engine/statistics/estimate.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../../schedulers/registry.ts";
import { type Claim, type Figure, judgementOf } from "./claim.ts";
import {
  ARMS,
  type Cell,
  type CellResult,
  type Effort,
  type FieldScenario,
  MARGIN,
  SHAPES,
  type Standing,
  standings,
  worstLoss,
} from "./field.ts";

export interface ClaimFindings {
  readonly claim: Claim;
  readonly figures: readonly Figure[];
}

interface Findings {
  readonly claims: readonly ClaimFindings[];
  readonly field: readonly CellResult[];
  /** The same by requests in time and right, where models have accuracies. */
  readonly right: readonly CellResult[];
  readonly scenarios: readonly FieldScenario[];
  readonly effort: Effort;
  /** Processors, and how busy they were. */
  readonly machine: string;
}

/** The rules that systems are held against: with batches, and without. */
const BASELINE = "fifo + batches";
const PLAIN = "fifo";
const MOST_NAMES = 5;

export function studyPage(findings: Findings): string {
  const { claims, field, right, scenarios, effort, machine } = findings;
  return [
    "# Schedulers of the literature, compared",
    "",
    "Written by `npm run study:schedulers`; do not edit. All figures are simulated, with the presets' default parameters.",
    `Intervals are 95%, over ${effort.replications} replications of seed 1. Replication i meets the same requests under every scheduler`,
    `(common random numbers), so differences are paired. The same code gives the same figures; run on ${machine}.`,
    "",
    "## Claims, rebuilt",
    "",
    "Each experiment is rebuilt from what is public; inputs that are not are assumed, and said to be. Scenarios:",
    "`out/study/claims/NAME/scenario.yaml` after a run. Each claim has thresholds, which the run judges: a threshold _holds_ where the",
    "whole interval of the figure keeps it, _fails_ where none of it does. A claim fails where one of its thresholds does; a factor of a",
    "paper that our small rebuilt case does not reach is a failure too. Where a source says `section not verified`, the claim comes from the abstract",
    "or from notes on the paper: nobody here has read it in its section.",
    "",
    ...claimsTable(claims),
    ...claims.flatMap(claimSection),
    "",
    "## All on the same pipelines",
    "",
    ...setting(scenarios, effort),
    "",
    "### How often each is among the best",
    "",
    "By the share of all requests that are answered within the SLO; dropped and refused ones count as late. **Among the best**:",
    `not shown to be worse than another by more than ${percent(MARGIN)} of the best (multiple comparisons with the best, at 95% for all schedulers`,
    "of a cell at once). **Behind**: mean distance to the highest share, in points. **Cost**: of the devices in use, over that of all.",
    "",
    ...standingsTable(standings(field), true),
    "",
    "### The map",
    "",
    "The schedulers that are among the best, the simplest first; a cell with many names is a tie. Loads are shares of what the",
    "devices can do one job at a time.",
    "",
    ...map(field),
    "",
    "### By pipeline and shape",
    "",
    ...strongholds(field),
    ...(right.length === 0 ? [] : ["", ...accuracySection(right)]),
    "",
    "### Where they lose",
    "",
    `The largest loss of each system, in points of requests within the SLO: of those that batch, against \`${BASELINE}\`, which takes`,
    `batches of up to 16 jobs that wait; of the others, against \`${PLAIN}\`. A paired difference with its own interval; losses of less`,
    `than ${percent(MARGIN)} are none.`,
    "",
    ...losses(field),
    "",
  ].join("\n");
}

/** Claims by what became of them. */
function claimsTable(claims: readonly ClaimFindings[]): string[] {
  return (["holds", "fails", "cannot tell"] as const).map((judgement) => {
    const own = claims.filter(({ figures }) => judgementOf(figures) === judgement);
    const names = own.map(({ claim }) => `\`${claim.name}\``).join(", ");
    return `- **${judgement}** (${own.length} of ${claims.length}): ${names === "" ? "none" : names}`;
  });
}

/** `3.05 ± 0.01 (claimed 3 ± 2%: holds)`. */
function figureText({ about, value, unit, claimed }: Figure): string {
  const judged = claimed.map(({ text, judgement }) => `${text}: ${judgement}`).join(", ");
  return `${about}: ${withInterval(value, unit)}${judged === "" ? "" : ` (claimed ${judged})`}`;
}

export function claimSection({ claim, figures }: ClaimFindings): string[] {
  return [
    "",
    `### ${claim.name}: ${judgementOf(figures)}`,
    "",
    `- **Claim:** ${claim.claim}. (${claim.source})`,
    `- **Rebuilt:** ${claim.rebuilt}.`,
    `- **Ours:** ${figures.map(figureText).join("; ")}.`,
    `- **Why ours may differ:** ${claim.difference}`,
  ];
}

function setting(scenarios: readonly FieldScenario[], effort: Effort): string[] {
  const pipelines = [...new Set(scenarios.map(({ pipelines: one }) => one))];
  const refused = scenarios.flatMap(({ name, refused: list }) =>
    list.map(({ arm, reason }) => `- \`${arm.name}\` on ${name}: ${reason}`),
  );
  return [
    ...pipelines.map(({ name, about, capacityPerS, devices, goalsMs }) => {
      const goals = Object.entries(goalsMs).map(
        ([pipeline, [tight, loose]]) => `${pipeline} ${tight} or ${loose} ms`,
      );
      const count = sumOf(Object.values(devices));
      return `- **${name}:** ${about}. ${count} devices, ${capacityPerS} requests per s one by one; SLOs: ${goals.join(", ")}.`;
    }),
    "- **Shapes:** each device of one task (`own`), or each of all tasks, whose running batches slow each other down (`shared`).",
    `- **Loads:** gamma arrivals of cv 1 and 4 for ${effort.durationS} s, of which ${effort.warmupS} s are not counted.`,
    "- **Services:** lognormal, cv 0.15; a batch takes 30% of the time for each further job, and cannot be stopped.",
    "- Schedulers that scale start with what they start with by default, and have the warm-up to find their size.",
    `- \`${BASELINE}\` and \`edf + batches + drop\` (batches of up to 16; requests that are expected to be late are dropped) are ours, and in no paper.`,
    ...(refused.length === 0 ? [] : ["", "Refused, and so not compared:", "", ...refused]),
  ];
}

function standingsTable(all: readonly Standing[], withCost: boolean): string[] {
  const cost = (text: string): readonly string[] => (withCost ? [text] : []);
  return table([
    ["scheduler", "cells", "among the best", "behind", ...cost("cost")],
    ...all.map(({ arm, cells, best, behind, costShare }) => [
      ...[`\`${arm.name}\``, `${cells}`, `${best}`, (100 * behind).toFixed(1)],
      ...cost(percent(costShare)),
    ]),
  ]);
}

function cellName({ load, cv, goal }: Cell): string {
  return `load ${load}, cv ${cv}, ${goal} SLO`;
}

function map(field: readonly CellResult[]): string[] {
  return table([
    ["where", "load", "cv", "SLO", "highest", "fifo", BASELINE, "among the best"],
    ...field.map(({ scenario, cell, members }) => {
      const best = members.filter(({ isBest }) => isBest).map(({ arm }) => arm.name);
      const highest = Math.max(...members.map(({ value }) => value.mean));
      const shareOf = (name: string): string => {
        const found = members.find(({ arm }) => arm.name === name);
        return found === undefined ? "" : percent(found.value.mean);
      };
      return [
        scenario.name,
        `${cell.load}`,
        `${cell.cv}`,
        cell.goal,
        percent(highest),
        shareOf("fifo"),
        shareOf(BASELINE),
        listed(best),
      ];
    }),
  ]);
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).join(", ");
  const more = names.length - MOST_NAMES;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

/** The schedulers that are among the best most often on each pipeline and shape. */
function strongholds(field: readonly CellResult[]): string[] {
  const names = [...new Set(field.map(({ scenario }) => scenario.name))];
  return names.map((name) => {
    const own = field.filter(({ scenario }) => scenario.name === name);
    const [first] = standings(own);
    const leaders = standings(own).filter(({ best }) => best === first.best);
    const wins = `${first.best} of ${own.length} cells`;
    return `- **${name}:** ${leaders.map(({ arm }) => `\`${arm.name}\``).join(", ")} (among the best in ${wins}).`;
  });
}

function accuracySection(right: readonly CellResult[]): string[] {
  return [
    "### Right and in time",
    "",
    "The pipeline with variants again, by the share in time multiplied by the mean accuracy of the answers: a fast variant serves",
    "more, a slow one answers better. (As if lateness and accuracy had nothing to do with each other.)",
    "",
    ...SHAPES.flatMap((shape) => {
      const own = right.filter(({ scenario }) => scenario.shape === shape);
      if (own.length === 0) return [];
      return [
        `${own[0].scenario.name}, the ten best:`,
        "",
        ...standingsTable(standings(own).slice(0, 10), false),
        "",
      ];
    }),
  ].slice(0, -1);
}

function losses(field: readonly CellResult[]): string[] {
  const systems = ARMS.map(({ name }) => name).filter(
    (name) => !TEXTBOOK_PRESETS.includes(name) && name !== BASELINE,
  );
  const found = systems.map((name) => {
    const other = takesBatches(name) ? BASELINE : PLAIN;
    return { name, other, loss: worstLoss(field, name, other) };
  });
  const lost = found.flatMap(({ loss, ...one }) => (loss === null ? [] : [{ ...one, loss }]));
  lost.sort((a, b) => a.loss.difference.mean - b.loss.difference.mean);
  const never = found.filter(({ loss }) => loss === null).map(({ name }) => `\`${name}\``);
  return [
    ...lost.map(({ name, other, loss: { result, difference } }) => {
      const points = withInterval(
        { mean: 100 * difference.mean, halfWidth95: 100 * difference.halfWidth95 },
        " points",
      );
      return `- \`${name}\`: ${points} against \`${other}\` on ${result.scenario.name}, ${cellName(result.cell)}.`;
    }),
    `- Nowhere: ${never.length === 0 ? "none" : never.join(", ")}.`,
  ];
}

function takesBatches(name: string): boolean {
  return PRESETS[name]?.composition.batching !== "none";
}

/** Three digits of the mean and two of the half width, if these are not more than four decimals. */
function withInterval({ mean, halfWidth95 }: Estimate, unit: string): string {
  const decimals = (size: number, digits: number): number =>
    size === 0 ? 0 : digits - 1 - Math.floor(Math.log10(Math.abs(size)));
  const wanted = Math.max(decimals(mean, 3), decimals(halfWidth95, 2));
  const places = Math.min(4, Math.max(0, wanted));
  return `${mean.toFixed(places)} ± ${halfWidth95.toFixed(places)}${unit}`;
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0.995 ? 2 : 1)}%`;

/** Columns as wide as their widest cell; numbers are to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const [head, ...body] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const isNumber = head.map((_, column) => body.every((row) => /^[-\d.%]*$/.test(row[column])));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(" | ")} |`;
  const rule = widths.map((width, i) =>
    isNumber[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(head), `| ${rule.join(" | ")} |`, ...body.map(line)];
}
