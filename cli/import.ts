/** `tandem import`: times that another tool measured become a profile. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import {
  type CsvColumns,
  type ForeignFormat,
  readForeignTimes,
} from "../calibration/foreign-times.ts";
import { importedProfile } from "../calibration/imported-profile.ts";
import { Fault } from "../core/fault.ts";
import { unreadable } from "../library/scenario.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";

interface ImportArguments {
  readonly file: string;
  readonly model?: string;
  readonly device?: string;
  readonly format?: ForeignFormat;
  readonly batch?: number;
  readonly columns?: string;
  readonly unit?: CsvColumns["unit"];
  readonly out?: string;
  readonly json: boolean;
}

export function importTimes(args: ImportArguments): void {
  const bytes = contentOf(args.file);
  const csv = csvColumns(args);
  const { format, batch } = args;
  if (batch !== undefined && !(Number.isInteger(batch) && batch > 0)) {
    throw new Fault("usage", `--batch: expected a whole number above 0, got ${batch}`);
  }
  const times = readForeignTimes({ file: args.file, text: bytes.toString(), format, batch, csv });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const profile = importedProfile(times, {
    model: named("model", args.model, times.model),
    device: named("device", args.device, times.device),
    source: `${basename(args.file)}, SHA-256 ${sha256}`,
    date: new Date().toISOString(),
  });
  const text = JSON.stringify(profile, null, 2);
  if (args.out !== undefined) writeAtomically(args.out, `${text}\n`);
  if (args.json || args.out === undefined) {
    process.stdout.write(`${text}\n`);
    return;
  }
  const sizes = profile.batches.map(({ batch: size }) => size);
  const [{ meanUs }] = profile.batches;
  const lines = [
    `${profile.provenance.model} on ${profile.provenance.device}, from ${times.format}`,
    `batch sizes ${sizes.length > 8 ? `${sizes[0]} to ${sizes[sizes.length - 1]} (${sizes.length})` : sizes.join(", ")}; batch ${sizes[0]} takes ${(meanUs / 1000).toPrecision(4)} ms`,
    ...times.notes.map((note) => `note: ${note}`),
    `wrote ${args.out}; name it in the scenario: models: { NAME: { profile: ${args.out} } }`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

function contentOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw unreadable(file, cause, "give the file that the tool wrote");
  }
}

function named(what: "model" | "device", given: string | undefined, found: string | null): string {
  const name = given ?? found;
  if (name !== null) return name;
  throw new Fault("usage", `the file does not name the ${what}`, { hint: `add --${what} NAME` });
}

/** `time=latency,batch=size`. */
function csvColumns({ columns, unit }: ImportArguments): CsvColumns | undefined {
  if (columns === undefined) return undefined;
  const entries = columns.split(",").map((entry) => entry.split("="));
  const wrong = entries.find(
    ([key, value]) => !["time", "batch", "deviation"].includes(key) || !value,
  );
  const { time, batch, deviation } = Object.fromEntries(entries) as Record<string, string>;
  if (wrong !== undefined || time === undefined) {
    const hint = "time=COLUMN, and perhaps batch=COLUMN and deviation=COLUMN, with commas between";
    throw new Fault("usage", `--columns: cannot read "${columns}"`, { hint });
  }
  if (unit === undefined) {
    throw new Fault("usage", "--columns needs the unit of its times", {
      hint: "add --unit s, ms, us or ns",
    });
  }
  return { time, unit, batch, deviation };
}
