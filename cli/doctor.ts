/** `tandem doctor`: the parts that work on this machine, as a table. */
import { Fault } from "../core/fault.ts";
import { doctor as examine, type Finding } from "../library/index.ts";
import type { Cell } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";
import { columns, print } from "./command-line.ts";

export async function doctor({ json }: { readonly json: boolean }): Promise<void> {
  const checks = await examine();
  print(json, { schema: "tandem/doctor@1", checks }, doctorText(checks, columns()));
  requireEssential(checks);
}

/** Throws Fault("not-found") where something is missing without which nothing works. */
export function requireEssential(checks: readonly Finding[]): void {
  const missing = checks.filter(({ state }) => state === "missing");
  if (missing.length === 0) return;
  throw new Fault("not-found", `missing: ${missing.map(({ name }) => name).join(", ")}`, {
    hint: missing.map(({ hint }) => hint).join("; "),
  });
}

const COLOURS = { ok: "good", doubtful: "warn", absent: undefined, missing: "bad" } as const;

export function doctorText(checks: readonly Finding[], width: number): string {
  const rows = checks.map(({ name, state, found, purpose }): readonly Cell[] => {
    const colour = COLOURS[state];
    const shown = { text: state, ...(colour === undefined ? {} : { state: colour }) };
    return [{ text: name }, shown, { text: found }, { text: purpose }];
  });
  const hints = checks.flatMap(({ name, hint }) =>
    hint === undefined ? [] : [`${name}: ${hint}`],
  );
  const headings = ["part", "state", "found", "purpose"];
  return [
    tableText({ caption: "", headings, rows }, width),
    ...(hints.length === 0 ? [] : ["", "for what is not ok, if you need its purpose:", ...hints]),
  ].join("\n");
}
