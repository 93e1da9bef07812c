/** `tandem compare`: the results of two or more folders, each against the first. */
import { DEFAULT_MARGIN } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import { compare as comparedWith, type ResultsComparison } from "../library/index.ts";
import {
  formatError,
  formatNumber,
  metricLabel,
  metricTitle,
  plural,
} from "../reports/tables/format.ts";
import type { Cell, Table } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";
import { columns } from "./command-line.ts";
import { marginOf } from "./scenario-file.ts";

interface CompareArguments {
  readonly directories: readonly string[];
  readonly margin?: string;
  readonly all: boolean;
  readonly json: boolean;
}

type Compared = ResultsComparison & { readonly after: string };

export async function compare(args: CompareArguments): Promise<void> {
  const [before, ...others] = args.directories;
  if (others.length === 0) {
    throw new Fault("usage", "one folder alone cannot be compared", {
      hint: "tandem compare out/before out/after",
    });
  }
  const margin = marginOf(args) ?? DEFAULT_MARGIN;
  const found: Compared[] = [];
  for (const after of others) {
    found.push({ after, ...(await comparedWith(before, after, { margin })) });
  }
  const text = args.json
    ? JSON.stringify({ schema: "tandem/comparison@1", before, margin, comparisons: found })
    : found.map((one) => compared(before, one, margin, args.all)).join("\n\n");
  process.stdout.write(`${text}\n`);
}

function compared(before: string, one: Compared, margin: number, all: boolean): string {
  const { after, changes, onlyBefore, onlyAfter } = one;
  const count = (verdict: string): number =>
    changes.filter((change) => change.verdict === verdict).length;
  const shown = all ? changes : changes.filter(({ verdict }) => verdict !== "no difference shown");
  if (changes.length === 0) {
    throw new Fault("invalid-input", `${before} and ${after} have nothing that can be compared`, {
      hint: "they need a configuration with the same swept values, and two replications",
    });
  }
  return [
    `${after} against ${before}: ${count("better")} better, ${count("worse")} worse, ` +
      `${count("no difference shown")} without a difference shown (margin ${formatNumber(100 * margin)}%)`,
    ...(shown.length === 0 ? [] : [tableText(changesTable(shown), columns())]),
    ...onlyIn(before, onlyBefore),
    ...onlyIn(after, onlyAfter),
  ].join("\n");
}

function onlyIn(directory: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  return [`only in ${directory}: ${plural(ids.length, "configuration")}, such as ${ids[0]}`];
}

function changesTable(changes: Compared["changes"]): Table {
  const number = (value: number): Cell => ({ text: formatNumber(value, 4), value, numeric: true });
  const rows = changes.map((change): Cell[] => {
    const { scale } = metricLabel(change.metric);
    const width = formatNumber(change.halfWidth95 * scale);
    return [
      { text: change.id },
      { text: metricTitle(change.metric) },
      number(change.before * scale),
      number(change.after * scale),
      { text: `${formatNumber(change.difference * scale)} ± ${width}`, numeric: true },
      { text: formatError(change.difference / change.before), numeric: true },
      { text: change.verdict },
    ];
  });
  return {
    caption: "",
    headings: ["configuration", "metric", "before", "after", "difference", "change", "verdict"],
    rows,
  };
}
