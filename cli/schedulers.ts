/** `tandem schedulers`: presets and policies, all in a line each or one in full. */

import { DECISIONS } from "../core/scenario/schema/scheduler.ts";
import { wrapped } from "../reports/tables/format.ts";
import {
  type Catalogue,
  catalogue,
  catalogueOf,
  type Explanation,
  explainPolicy,
  explainPreset,
  partAbout,
} from "../schedulers/catalogue.ts";
import { MOST_COLUMNS, print } from "./command-line.ts";

export interface SchedulersArguments {
  readonly name?: string;
  readonly json: boolean;
}

export function schedulers({ name, json }: SchedulersArguments): void {
  const found = name === undefined ? catalogue() : catalogueOf(name);
  print(json, found, (name === undefined ? listText(found) : fullText(found)).trimEnd());
}

function listText({ presets, policies }: Catalogue): string {
  const groups = [
    { title: "presets: --set scheduler=NAME", entries: presets },
    ...DECISIONS.map((decision) => ({
      title: `${decision}: ${partAbout(decision)}`,
      entries: policies.filter((policy) => policy.decision === decision),
    })),
  ];
  const blocks = groups.map(({ title, entries }) =>
    block(
      title,
      entries.map(({ name, summary }) => [name, summary]),
    ),
  );
  const example = "--set 'scheduler={routing: random, ordering: edf}' takes one of each decision";
  return `${blocks.join("\n")}\n${example}\n\`tandem schedulers NAME\` explains one\n`;
}

function fullText({ presets, policies }: Catalogue): string {
  return [
    ...presets.map((preset) =>
      block(`${preset.name} (preset): ${preset.summary}`, explainPreset(preset)),
    ),
    ...policies.map((policy) =>
      block(`${policy.name} (${policy.decision}): ${policy.summary}`, explainPolicy(policy)),
    ),
  ].join("\n");
}

/** A title, and below it labels with texts beside them. */
function block(title: string, points: Explanation): string {
  const width = Math.max(...points.map(([label]) => label.length));
  const lines = points.map(([label, text]) => {
    // An option is there to be copied: it stays whole.
    const columns = text.startsWith("--") ? Number.POSITIVE_INFINITY : MOST_COLUMNS - width - 4;
    const [first, ...rest] = wrapped(text, columns).split("\n");
    const more = rest.map((line) => `\n${" ".repeat(width + 4)}${line}`);
    return `  ${label.padEnd(width)}  ${first}${more.join("")}\n`;
  });
  return `${title}\n${lines.join("")}`;
}
