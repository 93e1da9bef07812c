/** The report as one HTML file: the decision, the evidence, how far it is proven, and where it came from. */

import type { ResultsDocument } from "../../results/documents.ts";
import type { ProvenanceDocument } from "../../results/provenance.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import { answerText } from "../tables/answer.ts";
import type { Decision, Fact } from "../tables/decision.ts";
import type { PlanView } from "../tables/documents.ts";
import { plural } from "../tables/format.ts";
import { doubtLines } from "../tables/input-doubt.ts";
import {
  capacityText,
  filterChoices,
  filterKey,
  filtersOf,
  notesOf,
} from "../tables/parameters.ts";
import { decisionsIn, promiseLines } from "../tables/plan-decision.ts";
import {
  bestTable,
  MANY_CONFIGURATIONS,
  rankingSummary,
  rankingTable,
  winnersTable,
} from "../tables/rankings.ts";
import {
  configurationTable,
  partTable,
  placementTable,
  plasterTable,
} from "../tables/result-tables.ts";
import type { Cell, Table } from "../tables/table.ts";
import {
  comparisonTable,
  doubts,
  healthTable,
  judgedByLines,
  simulatorLines,
  verdictSummary,
} from "../tables/validation-tables.ts";
import { type DrawnChart, escapeHtml, figures, folded, tableHtml, textHtml } from "./elements.ts";
import { SCRIPT, STYLE } from "./page-assets.ts";

/** The scenario that the What-if asset starts from; its data files are inside. */
export type WhatIfScenario = Pick<ProvenanceDocument, "scenario" | "digest" | "inputs">;

interface WhatIf {
  /** HTML; its script mounts itself into `#what-if`, and reads the scenario beside it. */
  readonly asset: string;
  readonly scenario: WhatIfScenario;
}

interface PageContent {
  readonly title: string;
  readonly results: ResultsDocument;
  readonly validation?: ValidationDocument | undefined;
  readonly plan?: PlanView | undefined;
  readonly provenance?: ProvenanceDocument | undefined;
  readonly charts: readonly DrawnChart[];
  readonly whatIf?: WhatIf | undefined;
  /** As of `ReportOptions`. */
  readonly advice: Readonly<Record<string, string>>;
}

interface Section {
  readonly id: string;
  readonly heading: string;
  readonly body: string;
}

/** More loads get a table. */
const MOST_CARDS = 4;

function factHtml([name, text, state]: Fact): string {
  const style = state === undefined ? "" : ` class="${state}"`;
  return `<dt>${escapeHtml(name)}</dt><dd${style}>${textHtml(text)}</dd>`;
}

/** Facts that a phone folds, and a table hides at first: where it runs, and what would change the answer. */
const FOLDED: readonly string[] = [
  ...["runs on", "tied with it", "same in a pilot"],
  ...["next cheaper", "next faster", "runner-up", "headroom"],
];

function card({ load, answer, state, facts }: Decision, key: string): string {
  const heading = load === "" ? "" : `<p class="load">At ${escapeHtml(load)}</p>`;
  const filter = key === "" ? "" : ` data-k="${key}"`;
  const list = (isFolded: boolean) => {
    const own = facts.filter(([name]) => FOLDED.includes(name) === isFolded);
    return own.length === 0 ? "" : `<dl>${own.map(factHtml).join("\n")}</dl>`;
  };
  const more = list(true);
  return [
    `<article class="card ${state}"${filter}>${heading}`,
    `<p class="answer">${escapeHtml(answer)}</p>`,
    list(false),
    more === ""
      ? ""
      : `<details open><summary>Where it runs, and what would change it</summary>${more}</details>`,
    "</article>",
  ].join("\n");
}

function decisionTable(decisions: readonly Decision[], keys: readonly string[]): Table {
  const names = [...new Set(decisions.flatMap(({ facts }) => facts.map(([name]) => name)))];
  return {
    caption: "The decision at each load",
    headings: ["load", "answer", ...names],
    rows: decisions.map(({ load, answer, state, facts }): Cell[] => [
      { text: load },
      { text: answer, state },
      ...names.map((name): Cell => {
        const [, text, own] = facts.find(([each]) => each === name) ?? [name, "—"];
        return { text, ...(own === undefined ? {} : { state: own }) };
      }),
    ]),
    keys,
    minor: ["replicas", "would help", ...FOLDED],
  };
}

/** The load of a decision alone: cards stay for every scheduler. */
function loadKey({ chosen }: Decision, results: ResultsDocument): string {
  if (chosen === undefined) return "";
  const loads = filtersOf(results).filter(({ letter }) => letter === "l");
  return filterKey(loads, chosen.parameters);
}

/** With advice that was simulated in place of a guess. */
function advised(
  decisions: readonly Decision[],
  advice: PageContent["advice"],
): readonly Decision[] {
  return decisions.map((decision) => {
    const { load, facts } = decision;
    const own = facts.map(([name, text, ...state]): Fact => {
      return [name, name === "would help" ? (advice[load] ?? text) : text, ...state];
    });
    return { ...decision, facts: own };
  });
}

/** One decision where all loads have the same answer: that of the highest. */
function sameForAll(decisions: readonly Decision[]): readonly Decision[] {
  const [first, last] = [decisions[0], decisions[decisions.length - 1]];
  const isSame = decisions.every(({ answer, state }) => {
    return state === first.state && answer === first.answer;
  });
  if (decisions.length < 2 || !isSame) return decisions;
  return [{ ...last, load: `${first.load} to ${last.load}; figures of the highest` }];
}

/** Cards for few loads; for more, the card of the highest load that has an answer, and a table of all. */
function decisionHtml(all: readonly Decision[], results: ResultsDocument): string {
  const decisions = sameForAll(all);
  const keys = decisions.map((one) => (decisions.length < all.length ? "" : loadKey(one, results)));
  if (decisions.length <= MOST_CARDS) {
    const cards = decisions.map((one, i) => card(one, keys[i]));
    return `<div class="cards">${cards.join("\n")}</div>`;
  }
  const solved = decisions.filter(({ state }) => state === "good");
  const first = solved[solved.length - 1] ?? decisions[0];
  const note = solved.length > 0 ? "The highest load with an answer; all loads below." : "";
  return [
    `<div class="cards">${card(first, "")}</div>`,
    note === "" ? "" : `<p class="muted">${note}</p>`,
    tableHtml(decisionTable(decisions, keys)),
  ].join("\n");
}

/** Hidden until the script shows them: without it they would do nothing. */
function filtersHtml(results: ResultsDocument): string {
  const filters = filtersOf(results);
  if (filters.length === 0) return "";
  const labels = filters.map((filter) => {
    const { name, levels } = filterChoices(filter);
    const options = levels.map((level, i) => `<option value="${i}">${escapeHtml(level)}</option>`);
    return `<label>${escapeHtml(name)} <select data-letter="${filter.letter}"><option value="">all</option>${options.join("")}</select></label>`;
  });
  return `<form id="filters" aria-label="Show only" hidden><span>Show</span>${labels.join("\n")}</form>`;
}

function evidence(content: PageContent): string {
  const { results, charts } = content;
  const many = results.configurations.length > MANY_CONFIGURATIONS;
  return [
    many ? tableHtml(bestTable(results)) : "",
    figures(charts, "evidence"),
    tableHtml(rankingSummary(results)),
    tableHtml(winnersTable(results)),
  ].join("\n");
}

function validated({ validation, charts }: PageContent): string {
  if (validation === undefined || validation.configurations.length === 0) return "";
  return [
    `<p>${escapeHtml(verdictSummary(validation))}</p>`,
    ...[...simulatorLines(validation), ...doubts(validation), ...judgedByLines(validation)].map(
      (line) => `<p>${escapeHtml(line)}</p>`,
    ),
    figures(charts, "validation"),
    tableHtml(comparisonTable(validation)),
    tableHtml(healthTable(validation)),
    notes({ ...validation, configurations: [] }),
  ].join("\n");
}

/** Tables of so few rows are open. */
const SHORT = 12;

/** Every configuration and task, closed until asked for. */
function tables(content: PageContent): string {
  const { results, provenance, validation } = content;
  const told = validation?.notes ?? [];
  const few = results.configurations.length <= MANY_CONFIGURATIONS;
  const [all, placed] = [configurationTable(results), placementTable(results)];
  const chosen = decisionsIn(content).find((one) => one.chosen !== undefined)?.chosen;
  return [
    few ? tableHtml(all) : folded("All configurations", all),
    placed === undefined || placed.rows.length <= SHORT
      ? tableHtml(placed)
      : folded("Where replicas run", placed),
    folded("Per pipeline", partTable(results, "pipeline")),
    folded("Per task", partTable(results, "task")),
    folded("Each comparison", rankingTable(results)),
    tableHtml(plasterTable(chosen ?? results.configurations[0], provenance)),
    notes({ ...results, notes: (results.notes ?? []).filter((one) => !told.includes(one)) }),
  ].join("\n");
}

const MOST_WHOSE = 3;

function notes(
  results: Pick<ResultsDocument, "notes" | "configurations" | "parameterKinds" | "command">,
): string {
  const all = notesOf(results.configurations);
  const general = [...doubtLines(results), ...(results.notes ?? [])].map(
    (note) => `<li>${textHtml(note)}</li>`,
  );
  if (all.size + general.length === 0) return "";
  const items = [...all].map(([note, ids]) => {
    const more = ids.length > MOST_WHOSE ? ` and ${ids.length - MOST_WHOSE} more` : "";
    const some = `${ids.slice(0, MOST_WHOSE).join(", ")}${more}`;
    const whose = ids.length === results.configurations.length ? "all" : some;
    return `<li>${textHtml(note)} <span class="muted">(${escapeHtml(whose)})</span></li>`;
  });
  return `<h3>Notes</h3><ul>${[...general, ...items].join("\n")}</ul>`;
}

function origin({ results, validation, plan, provenance }: PageContent): string {
  const facts: [name: string, text: string, isCode?: boolean][] = [
    ["scenario", results.scenario.name],
    ["scenario digest", results.scenario.digest, true],
    ["seed", String(results.seed)],
    ["simulated again by", results.command, true],
  ];
  if (plan !== undefined) facts.push(["planned again by", plan.command, true]);
  if (validation !== undefined) {
    facts.push(["validated again by", validation.command, true]);
    if (validation.scenario.digest !== results.scenario.digest) {
      facts.push(["validation's digest", `${validation.scenario.digest} (differs)`, true]);
    }
    if (validation.seed !== results.seed)
      facts.push(["validation's seed", String(validation.seed)]);
  }
  const load = capacityText(results.capacity);
  if (load !== "") facts.push(["arrival rates", load]);
  for (const [file, made] of Object.entries(provenance?.made ?? {})) {
    const commit = made.commit === undefined ? "" : `; commit ${made.commit.slice(0, 12)}`;
    facts.push([file, `${made.date}; tandem ${made.version}${commit}; ${made.host}`]);
  }
  const items = facts.map(([name, value, isCode]) => {
    const text = escapeHtml(value);
    return `<dt>${escapeHtml(name)}</dt><dd>${isCode ? `<code>${text}</code>` : text}</dd>`;
  });
  return `<dl>${items.join("\n")}</dl>`;
}

/** Text of the scenario cannot end its element. */
function whatIfHtml({ asset, scenario: { scenario, digest, inputs } }: WhatIf): string {
  const json = JSON.stringify({ scenario, digest, inputs }).replaceAll("<", "\\u003c");
  return `<div id="what-if"></div>
<script type="application/json" id="what-if-scenario">${json}</script>
${asset}`;
}

function sectionsOf(content: PageContent): readonly Section[] {
  const { charts, whatIf } = content;
  const all: readonly Section[] = [
    { id: "evidence", heading: "Evidence", body: evidence(content) },
    { id: "bottleneck", heading: "Where the time goes", body: figures(charts, "bottleneck") },
    { id: "time", heading: "Over time", body: figures(charts, "time") },
    { id: "validation", heading: "Predicted and measured", body: validated(content) },
    { id: "inputs", heading: "Service times", body: figures(charts, "inputs") },
    {
      id: "what-if-section",
      heading: "What if",
      body: whatIf === undefined ? "" : whatIfHtml(whatIf),
    },
    { id: "tables", heading: "Tables", body: tables(content) },
    { id: "provenance", heading: "Where this came from", body: origin(content) },
  ];
  return all.filter(({ body }) => body.trim() !== "");
}

function sectionHtml({ id, heading, body }: Section): string {
  return `<section id="${id}"><h2>${heading}</h2>\n${body}\n</section>`;
}

function contents(sections: readonly Section[]): string {
  const items = sections.map(({ id, heading }) => `<li><a href="#${id}">${heading}</a></li>`);
  return `<nav aria-label="Contents"><ol>${items.join("")}</ol></nav>`;
}

interface PlainSection {
  readonly heading: string;
  readonly lines: readonly string[];
  readonly table: Table;
}

/** A page of sentences and tables. */
export function plainPage(title: string, sections: readonly PlainSection[]): string {
  const bodies = sections.map(({ heading, lines, table }) => {
    const texts = lines.map((line) => `<p>${escapeHtml(line)}</p>`);
    return `<h2>${escapeHtml(heading)}</h2>\n${texts.join("\n")}\n${tableHtml(table)}`;
  });
  const header = `<header><h1>${escapeHtml(title)}</h1></header>`;
  return document(escapeHtml(title), "", [header, ...bodies].join("\n"));
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The whole page. It loads nothing: styles, script and charts are inside. */
export function pageHtml(content: PageContent): string {
  const { results } = content;
  const count = plural(results.configurations.length, "configuration");
  const requests = results.configurations.reduce((sum, one) => sum + one.requests, 0);
  const title = escapeHtml(content.title);
  const sections = sectionsOf(content);
  const decided = advised(decisionsIn(content), content.advice);
  const planned = content.plan === undefined ? "" : "planned; ";
  const promised = content.plan === undefined ? [] : promiseLines(content.plan, results);
  const made = content.provenance?.made["results.json"]?.date.slice(0, 10);
  const body = `<header><h1>${title}</h1>
<p class="muted">${planned}${count}, ${plural(requests, "request")} simulated${made === undefined ? "" : ` on ${made}`}</p>
</header>
<section id="decision" aria-label="Decision">
<p class="lead">${textHtml(answerText(decided, results, content.validation))}</p>
${promised.map((line) => `<p>${textHtml(capital(line))}.</p>`).join("\n")}
${content.whatIf === undefined ? "" : '<p><a href="#what-if-section">What if the load, a shape or the scheduler were another? Try it.</a></p>'}
${figures(content.charts, "decision")}
${decisionHtml(decided, results)}
</section>
${contents(sections)}
${filtersHtml(results)}
${sections.map(sectionHtml).join("\n")}`;
  return document(
    title,
    content.whatIf === undefined ? "" : " 'wasm-unsafe-eval'; worker-src blob:",
    body,
  );
}

/** `policy` allows more than styles and script inside; the browser is to load nothing. The worker of What if is a blob, and may have a solver. */
function document(title: string, policy: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'${policy}">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body><main>
${body}
</main>
<script>${SCRIPT}</script>
</body></html>
`;
}
