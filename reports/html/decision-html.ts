/** The first screen: a card for each decision, and the filters that act on all below. */
import type { ResultsDocument } from "../../core/results.ts";
import type { Decision, Fact } from "../tables/decision.ts";
import { filterChoices, filterKey, filtersOf } from "../tables/parameters.ts";
import type { Cell, Table } from "../tables/table.ts";
import { escapeHtml, tableHtml, textHtml } from "./table-html.ts";

/** More loads get a table. */
const MOST_CARDS = 4;

function factHtml([name, text, state]: Fact): string {
  const style = state === undefined ? "" : ` class="${state}"`;
  return `<dt>${escapeHtml(name)}</dt><dd${style}>${textHtml(text)}</dd>`;
}

/** Facts that a phone folds: where it runs, and what would change the answer. */
const FOLDED: readonly string[] = [
  ...["runs on", "tied with it", "same by another name"],
  ...["next cheaper", "next faster", "runner-up", "more load"],
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

/** A row for each load, with the facts as columns. */
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
    minor: ["replicas", "runs on", "next faster"],
  };
}

/** The load of a decision alone: cards stay for every scheduler. */
function loadKey({ chosen }: Decision, results: ResultsDocument): string {
  if (chosen === undefined) return "";
  const loads = filtersOf(results).filter(({ letter }) => letter === "l");
  return filterKey(loads, chosen.parameters);
}

/** Cards for few loads; for more, the card of the highest load that has an answer, and a table of all. */
export function decisionHtml(decisions: readonly Decision[], results: ResultsDocument): string {
  const keys = decisions.map((one) => loadKey(one, results));
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
export function filtersHtml(results: ResultsDocument): string {
  const filters = filtersOf(results);
  if (filters.length === 0) return "";
  const labels = filters.map((filter) => {
    const { name, levels } = filterChoices(filter);
    const options = levels.map((level, i) => `<option value="${i}">${escapeHtml(level)}</option>`);
    return `<label>${escapeHtml(name)} <select data-letter="${filter.letter}"><option value="">all</option>${options.join("")}</select></label>`;
  });
  return `<form id="filters" aria-label="Show only" hidden><span>Show</span>${labels.join("\n")}</form>`;
}
