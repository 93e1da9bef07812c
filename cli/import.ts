/** `tandem import`: times that another tool measured become a profile. */
import { Fault } from "../core/fault.ts";
import { type ImportOptions, importTimes as imported } from "../library/index.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";

type CsvColumns = NonNullable<ImportOptions["csv"]>;

interface ImportArguments extends Pick<ImportOptions, "model" | "device" | "format" | "batch"> {
  readonly file: string;
  readonly columns?: string;
  readonly unit?: CsvColumns["unit"];
  readonly out?: string;
  readonly json: boolean;
}

export async function importTimes(args: ImportArguments): Promise<void> {
  const { file, json, out } = args;
  const { profile, format, notes } = await imported(file, { ...args, csv: csvColumns(args) });
  const text = JSON.stringify(profile, null, 2);
  if (out !== undefined) writeAtomically(out, `${text}\n`);
  if (json || out === undefined) {
    process.stdout.write(`${text}\n`);
    return;
  }
  const sizes = profile.batches.map(({ batch: size }) => size);
  const [{ meanUs }] = profile.batches;
  const lines = [
    `${profile.provenance.model} on ${profile.provenance.device}, from ${format}`,
    `batch sizes ${sizes.length > 8 ? `${sizes[0]} to ${sizes[sizes.length - 1]} (${sizes.length})` : sizes.join(", ")}; batch ${sizes[0]} takes ${(meanUs / 1000).toPrecision(4)} ms`,
    ...notes.map((note) => `note: ${note}`),
    `wrote ${out}; name it in the scenario: models: { NAME: { profile: ${out} } }`,
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
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
