/** A part's result as Markdown. */
import type { Part, PartResult } from "./part.ts";

/** Targets are for full size: at another scale they are shown and not judged. */
export function partText(part: Part, result: PartResult, scale: number): string {
  const { head, rows, targets, skipped } = result;
  const table = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const verdict = (met: boolean): string => {
    if (scale !== 1) return `not judged at --scale ${scale}`;
    return met ? "met" : "not met";
  };
  const lines = [
    "",
    `## ${part.name}: ${part.about}`,
    "",
    ...(rows.length === 0 ? [] : [...table, ""]),
    ...targets.map(
      ({ what, asked, found, met }) => `- ${what}: ${found}, asked ${asked}: ${verdict(met)}`,
    ),
    ...skipped.map((message) => `- skipped: ${message}`),
  ];
  return `${lines.join("\n")}\n`;
}
