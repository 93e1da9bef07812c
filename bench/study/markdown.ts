/** Numbers, words and tables of the study's page. */
import { type Estimate, estimate, meanOf } from "../../engine/statistics/estimate.ts";
import type { Case } from "../../results/which-scheduler.ts";

export const pointsText = ({ mean, halfWidth95 }: Estimate): string =>
  `${oneDigit(mean)} ± ${halfWidth95.toFixed(1)}`;

/** Without the sign of a zero. */
export const oneDigit = (value: number): string => value.toFixed(1).replace(/^-0\.0$/, "0.0");

/** Writes a share in percent: `36.4 ± 1.2%`. */
export const shareText = ({ mean, halfWidth95 }: Estimate): string =>
  `${pointsText({ mean: 100 * mean, halfWidth95: 100 * halfWidth95 })}%`;

/** The mean over cases of goodputs, in percent: its interval is over the windows, which all cases have. */
export function meanText(members: readonly { readonly samples: readonly number[] }[]): string {
  if (members.length === 0) return "";
  const windows = members[0].samples.map((_, w) =>
    meanOf(members.map(({ samples }) => samples[w])),
  );
  const { mean, halfWidth95 } = estimate(windows);
  return pointsText({ mean: 100 * mean, halfWidth95: 100 * halfWidth95 });
}

export const percent = (share: number): string =>
  `${(100 * share).toFixed(share > 0.995 ? 2 : 1)}%`;

const WORDS: Readonly<Record<Case[keyof Case], string>> = {
  batches: "gain",
  single: "no gain",
  one: "one task",
  chain: "chain",
  own: "own",
  shared: "shared",
  tight: "tight",
  loose: "loose",
  steady: "steady",
  bursty: "bursty",
};

export const levelWord = (level: Case[keyof Case]): string => WORDS[level];

export const caseWords = ({ batching, tasks, devices, goal, arrivals }: Case): string =>
  [batching, tasks, devices, goal, arrivals].map(levelWord).join(", ");

/** Columns as wide as their widest cell; numbers are to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const [head, ...body] = rows;
  const widths = head.map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const isNumber = head.map((_, column) => body.every((row) => /^[-\d.%± ]*$/.test(row[column])));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, i) => (isNumber[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(" | ")} |`;
  const rule = widths.map((width, i) =>
    isNumber[i] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  return [line(head), `| ${rule.join(" | ")} |`, ...body.map(line)];
}
