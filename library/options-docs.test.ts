/** The tables of options in docs/library.md, made from their declarations; `npm run docs` renews them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { markdownTable } from "../checks/support/markdown-table.test-support.ts";
import { factsOf, kindOf, optionName, type Shape } from "./option.ts";
import * as options from "./options.ts";

const PAGE = join(import.meta.dirname, "..", "docs", "library.md");
const START = "<!-- The tables below are made from the declarations by `npm run docs`. -->\n";

const TABLES: readonly (readonly [string, Shape])[] = [
  ["sweep", options.SWEEP],
  ["plan", options.PLAN],
  ["shards.start", options.SHARD_JOBS],
  ["compare", options.MARGIN],
  ["calibrate", options.CALIBRATE],
  ["validate", options.VALIDATE],
  ["load", options.LOAD],
  ["cluster.up", options.CLUSTER_UP],
  ["cluster.serve", options.SERVE],
  ["web", options.WEB],
  ["importTimes", options.IMPORT],
];

function rowOf([name, type]: readonly [string, Shape[string]]): string[] {
  const { initial, isRequired, choices } = kindOf(type);
  const meaning = [factsOf(type).description, choices?.join(", ")].filter(Boolean).join(": ");
  const value = isRequired ? "required" : initial === undefined ? "" : JSON.stringify(initial);
  return [`\`${name}\``, `\`--${optionName(name, type)}\``, value, meaning];
}

function section([title, shape]: (typeof TABLES)[number]): string {
  const headings = ["option", "command", "default", "meaning"];
  return `### \`${title}\`\n\n${markdownTable(headings, Object.entries(shape).map(rowOf))}\n`;
}

test("docs/library.md lists the options of each function, as they are declared", async () => {
  const [before] = readFileSync(PAGE, "utf8").split(START);
  await expect(`${before}${START}\n${TABLES.map(section).join("\n")}`).toMatchFileSnapshot(PAGE);
});
