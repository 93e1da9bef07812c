/** The page of the study, in Markdown. */
import { isDeepStrictEqual } from "node:util";
import { grouped } from "../../engine/basics/iterables.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import { BORDERS, type Case, type Decision } from "../../results/which-scheduler.ts";
import { ABLATED, SETTINGS, TUNED, UNTUNED } from "./arms.ts";
import { GOALS } from "./cases.ts";
import { type Figure, judgementOf } from "./claim.ts";
import { engineSection, engineTable } from "./engine-page.ts";
import {
  type CaseResult,
  costOver,
  type Effort,
  LOADS,
  MARGIN,
  memberOf,
  pointsOver,
  refusals,
  type Standing,
  standings,
} from "./field.ts";
import { type ClaimFindings, type Findings, rowsOf } from "./findings.ts";
import { IN_TIME } from "./knees.ts";
import {
  caseWords,
  levelWord,
  meanText,
  oneDigit,
  percent,
  pointsText,
  table,
} from "./markdown.ts";
import { ownSection } from "./own-models.ts";

type Use = NonNullable<Decision<Case>["use"]>;

export function studyPage(found: Findings): string {
  const { claims, field, ablated, own, engines, effort, machine } = found;
  const { field: rows, engines: engineRows } = rowsOf(found);
  const results = field.map(({ of, members }): CaseResult => {
    const without = ablated.filter((one) => isDeepStrictEqual(one.of, of));
    return { of, members: [...members, ...without.flatMap((one) => one.members)] };
  });
  return [
    "# Which scheduler for which case?",
    "",
    ...decisionGrid(rows),
    "",
    ...KEY,
    "",
    ...engineTable(engineRows),
    "",
    ...legend(machine),
    "",
    "## Every case",
    "",
    ...decisionTable(rows),
    "",
    "## The field",
    "",
    ...setting(effort),
    "",
    "Loads, crashes, the share in time and the rule of _use_ were chosen while looking at an earlier stretch of both traces (arrivals",
    "3,001 to 5,000). Then all was frozen: the figures here are of arrivals 5,001 to 7,000, which nobody had looked at.",
    "",
    "### How often each is among the best",
    "",
    ...STANDING,
    "",
    ...standingsTable(standings(results)),
    "",
    "### A system as baseline and mechanism",
    "",
    "Goodput at the knee in percent of the capacity, as the mean of all cases, and the mean over those with tight or loose",
    "SLOs, steady or bursty arrivals, with 95% intervals over the windows. Baselines have one mechanism or several; a system has its own besides.",
    "",
    ...ladder(results),
    "",
    "### Published constants and the best of equally many settings",
    "",
    `Points that the best of at most ${SETTINGS} settings gains over the published constants. The search has its own arrivals and seed, so a gain`,
    "below 0 is a setting that did not carry over. A system that gains much is judged by its constants, not by its mechanism.",
    "",
    ...tuning(results),
    "",
    "### Without a mechanism",
    "",
    ...WITHOUT,
    "",
    ...ablations(results),
    "",
    ...ownSection(own, rows),
    "",
    ...engineSection(engines),
    "",
    "## Claims, rebuilt",
    "",
    "Each experiment is rebuilt from what is public; inputs that are not are assumed, and said to be. Scenarios:",
    "`out/study/claims/NAME/scenario.yaml` after a run. Intervals are 95%, over 8 replications of seed 1, which meet the same",
    "requests under every scheduler. Each claim has thresholds, which the run judges: a threshold _holds_ where the",
    "whole interval of the figure keeps it, _fails_ where none of it does. A claim fails where one of its thresholds does; a factor of a",
    "paper that our small rebuilt case does not reach is a failure too. Where a source says `section not verified`, the claim comes from the abstract",
    "or from notes on the paper: nobody here has read it in its section.",
    "",
    ...claimsTable(claims),
    ...claims.flatMap(claimSection),
    "",
  ].join("\n");
}

/** How to read the table of all schedulers. */
const STANDING = [
  "**Behind**: mean distance to the best of a case, in points. **Cost**: of devices for each request in time at the knee, over",
  "fifo's, where both have a knee, with its 95% interval over the windows of arrivals: its spread where each is left out in turn.",
  "**Constants**: published, or tuned, or the reason why there is no tuned row; _none_: a rule without any, or of words. Rules that",
  "route have 16 cases, those of shared devices: where each model has one device, there is nothing to route, and they are fifo.",
];

/** How to read the table of ablations. */
const WITHOUT = [
  "Points that a system loses without one of its mechanisms, as the mean of the cases, the case that needs it most, and the **cost** at the",
  "knee without it over that with it. SHEPHERD preempts only where models can be stopped, and the runs are shorter than the published",
  "epochs of Nexus and selective replication: they are shown with stoppable models, and with epochs of 1 s. _Its controller_ of Clockwork and",
  "_largest batch first_ leave `edf + deadline-aware batches + drop`, one batch a device at a time. Models have no variants here:",
  "what accuracy scaling brings to Proteus, Loki and INFaaS is in their claims below. Below 0: the system does better without it, as with",
  "scalers: they start with few devices, and runs of seconds end before they have grown. Times that",
  "hardly vary leave nothing to do for Clockwork's cancelling and measuring. AlpaServe is placed by its search at the middle load, on one",
  "machine of three devices, with groups and with single devices (selective replication) alone, in the cases of shared devices. A device holds two",
  "of the three models, so groups have little memory to gain, and where both keep that load the mean latency decides; its claims have models of",
  "which a device holds one.",
];

/** How to read the first table. */
const KEY = [
  "By SLO and arrivals: the scheduler to use, its points over fifo with their 95% interval, and, where another does better with one",
  "factor changed, that factor, the other and its points.",
];

/** How to read the tables of cases. */
const legend = (machine: string): string[] => [
  "`tandem schedulers --for scenario.yaml` finds the row of a scenario, and the command that checks it there. **Use**: the simplest",
  `scheduler whose mean is within ${percent(MARGIN)} of the best and that is not shown to be worse by more; **ties**: how many others are not. **In time**: goodput, the requests in`,
  `time per s at the knee, the largest load with ${percent(IN_TIME)} of all requests in time, in percent of what the devices do at best; of`,
  "language models, of what `vllm` does with requests that all come at once: it ends with few sequences, so that a steady load can exceed it.",
  "**Over fifo**: paired difference with its 95% interval, in points. **Loses when**: with one factor changed so, the other does",
  "better by these points. **Cost**: hours of devices for a million requests in time, at the knee, with its 95% interval over the windows; empty where some window",
  "has no knee. A scheduler is chosen by all windows of arrivals, which flatter it as they choose it. So both gains, and what is in",
  "time, are those that each window gives to the choice of all other windows. A star: tuned, with the best of the settings that a search tried for the case; `--for` fits",
  "its times to the scenario's SLO, while published constants in ms stay as they are. A dagger: the advice did not carry over to [models of ours](#the-advice-on-models-of-ours).",
  "",
  `For \`--for\` an SLO is tight up to ${BORDERS.tight} times the latency of a request alone (of a language model's ${BORDERS.tightTokens}), arrivals are steady up to`,
  `a variation of ${BORDERS.steadyCv} between them, and batches gain where a job takes ${percent(BORDERS.batchShare)} of its time or less in the best one.`,
  "",
  "Written by `npm run study:schedulers`; do not edit. All figures are simulated. The same code gives the same figures;",
  `run on ${machine}.`,
];

/** A star marks tuned settings. */
function named(name: string): string {
  const published = name.replace(/, tuned$/, "");
  // Two stars of one cell would be read as emphasis of what is between them.
  return `\`${published}\`${published === name ? "" : "\\*"}`;
}

/** The text names the scheduler to use; a dagger marks advice that did not hold with other models. */
const useText = ({ name, elsewhere }: Use): string =>
  `${named(name)}${elsewhere?.holds === false ? "†" : ""}`;

function lossText({ loses }: Use): string {
  if (loses === null) return "";
  const level = levelWord(loses.where as Case[keyof Case]);
  return `${level}: ${named(loses.to)} ${(-loses.points.mean).toFixed(1)}`;
}

/** All cases on one screen: a column for each SLO and kind of arrivals, a row for all else. The page opens with it. */
export function decisionGrid(rows: readonly Decision<Case>[]): string[] {
  const by = (of: Case, ...factors: (keyof Case)[]): string =>
    factors.map((factor) => levelWord(of[factor])).join(", ");
  const columnOf = ({ case: of }: Decision<Case>): string => by(of, "goal", "arrivals");
  const columns = [...new Set(rows.map(columnOf))];
  const lines = grouped(rows, ({ case: of }) => by(of, "batching", "tasks", "devices"));
  return table([
    ["batches, request, devices", ...columns],
    ...[...lines].map(([name, own]) => [
      name,
      ...columns.map((column) => {
        const row = own.find((one) => columnOf(one) === column);
        if (row === undefined) return "";
        if (row.use === null) return "none: more devices";
        const parts = [useText(row.use), pointsText(row.use.overFifo), lossText(row.use)];
        return parts.filter((part) => part !== "").join("<br>");
      }),
    ]),
  ]);
}

/** A row for each case, with all that is known of its advice. */
export function decisionTable(rows: readonly Decision<Case>[]): string[] {
  return table([
    [
      "batches, request, devices, SLO, arrivals",
      "use",
      "ties",
      "in time",
      "over fifo",
      "cost",
      "fifo's",
      "loses when",
    ],
    ...rows.map(({ case: of, use }) => {
      const factors = caseWords(of);
      if (use === null) return [factors, "none: more devices", "", "0%", "", "", "", ""];
      return [
        factors,
        useText(use),
        `${use.beside.length}`,
        `${pointsText(use.goodput)}%`,
        pointsText(use.overFifo),
        ...[use.deviceHours?.own, use.deviceHours?.fifo].map((cost) =>
          cost ? withInterval(cost, "") : "",
        ),
        lossText(use),
      ];
    }),
  ]);
}

function setting({ plays, windows }: Effort): string[] {
  const missing = [...refusals()].map(([name, reason]) => `\`${name}\` (${reason})`);
  return [
    "Five factors of two levels each make 32 cases:",
    "",
    "- **Batches gain, or do not:** three models with the times of VGG16 and VGG-Face, or of YOLO9000, as Nexus measured them on a TITAN X",
    "  (`bench/study/measured`): a job of a batch of 32 takes half of its time alone, or nine tenths.",
    "- **One task, or a chain:** three pipelines of one task, or one of three tasks in a row. Three devices in either case.",
    "- **Own devices, or shared:** each model on a device of its own, in memory; or all on all three devices, in time slices of 2 ms, with",
    "  memory for two of the three models (1.9 GB each for VGG, 4.1 GB for YOLO9000) and 45 ms to load one (assumed: 528 MB at 12 GB/s).",
    "  `proteus` and `loki` give each model a device there, as many as there are: what they gain is that they share nothing.",
    `- **Tight or loose SLO:** ${GOALS.tight} or ${GOALS.loose} times the latency of a request alone.`,
    "- **Steady or bursty:** arrivals of Azure's traces of chats (gaps of cv 1) and of code completion (cv 5 to 10), sped up to each load.",
    "",
    `Loads: ${Object.entries(LOADS)
      .map(([kind, loads]) => `${kind} ${loads.map((load) => percent(load)).join(", ")}`)
      .join("; ")} of the capacity. The knee lies on a straight line between two of them;`,
    "one beyond the last counts as there, so that goodputs near 85% and 35% are least values, and those who have them tie.",
    `${windows} windows of 200 arrivals are the replications, each played ${plays} times (a chain) or ${2 * plays} times; every arm meets the same requests. A fifth of a`,
    "run is warm-up, and one of the devices is down for 1% of it. Runs last seconds to minutes: loops of scaling that look every 15 s or more",
    "hardly act in them, and show how their systems start.",
    ...(missing.length === 0
      ? []
      : ["", `In no case, since models have no variants: ${missing.join(", ")}.`]),
  ];
}

function standingsTable(all: readonly Standing[]): string[] {
  return table([
    ["scheduler", "constants", "cases", "among the best", "behind", "cost"],
    ...all.map(({ name, kind, cases, best, behind, cost }) => [
      ...[`\`${name}\``, constantsText(name, kind), `${cases}`, `${best}`, pointsText(behind)],
      cost === null ? "" : costText(cost),
    ]),
  ]);
}

/** Whether a row has the constants that are published, or why there is no tuned one. */
function constantsText(name: string, kind: Standing["kind"]): string {
  if (kind === "tuned") return kind;
  if (kind === "baseline") return "";
  return TUNED.includes(name) ? kind : (UNTUNED[name] ?? "none");
}

const costText = ({ mean, halfWidth95 }: Estimate): string =>
  `${mean.toFixed(2)} ± ${halfWidth95.toFixed(2)}`;

/** Mean goodputs of baselines and systems, by level of two factors. */
function ladder(results: readonly CaseResult[]): string[] {
  const baselines = standings(results).filter(({ kind }) => kind === "baseline");
  const order = results[0].members.map(({ arm }) => arm.name);
  const names = [
    ...order.filter((name) => baselines.some((one) => one.name === name)),
    ...TUNED.filter((name) => !baselines.some((one) => one.name === name)),
  ];
  const columns = ["all", "tight", "loose", "steady", "bursty", "own", "shared"] as const;
  return table([
    ["scheduler", ...columns],
    ...names.flatMap((name) => {
      const cells = columns.map((level) => {
        return meanText(
          results
            .filter(({ of }) => level === "all" || Object.values(of).includes(level))
            .flatMap((result) => memberOf(result, name) ?? []),
        );
      });
      return cells[0] === "" ? [] : [[`\`${name}\``, ...cells]];
    }),
  ]);
}

function tuning(results: readonly CaseResult[]): string[] {
  const gains = TUNED.flatMap((name) => {
    const own = differences(results, `${name}, tuned`, [name]);
    return own.length === 0 ? [] : [{ name, own }];
  });
  return table([
    ["scheduler", "mean", "least", "most"],
    ...gains.map(({ name, own }) => {
      const means = own.map(({ points }) => points.mean);
      const ends = [Math.min(...means), Math.max(...means)];
      return [`\`${name}\``, ...[meanOf(means), ...ends].map(oneDigit)];
    }),
  ]);
}

function ablations(results: readonly CaseResult[]): string[] {
  return table([
    ["without", "of", "mean", "most", "where", "cost"],
    ...ABLATED.flatMap(({ part, of, without }) => {
      const own = differences(results, of, without);
      if (own.length === 0) return [];
      const most = own.reduce((a, b) => (b.points.mean > a.points.mean ? b : a));
      const cost = costOver(results, without, [of]);
      return [
        [
          ...[part, `\`${of}\``, oneDigit(meanOf(own.map(({ points }) => points.mean)))],
          withInterval(most.points, ""),
          caseWords(most.of),
          cost === null ? "" : costText(cost),
        ],
      ];
    }),
  ]);
}

/** Points of one arm over another, in each case that has both; of several names, the first in a case counts. */
function differences(results: readonly CaseResult[], name: string, over: readonly string[]) {
  return results.flatMap((result) => {
    const [a, b] = [memberOf(result, name), memberOf(result, ...over)];
    return a === undefined || b === undefined ? [] : [{ of: result.of, points: pointsOver(a, b) }];
  });
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

/** Digits of a ratio so large say nothing: hardly any request misses on one side. */
const LARGE_RATIO = 1000;

/** Three digits of the mean and two of the half width, if these are not more than four decimals. */
function withInterval({ mean, halfWidth95 }: Estimate, unit: string): string {
  if (unit === "×" && mean - halfWidth95 > LARGE_RATIO) return "more than 1,000×";
  const decimals = (size: number, digits: number): number =>
    size === 0 ? 0 : digits - 1 - Math.floor(Math.log10(Math.abs(size)));
  const wanted = Math.max(decimals(mean, 3), decimals(halfWidth95, 2));
  const places = Math.min(4, Math.max(0, wanted));
  return `${mean.toFixed(places)} ± ${halfWidth95.toFixed(places)}${unit}`;
}
