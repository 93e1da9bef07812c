/** `importTimes`: times that another tool measured become a profile. */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import {
  type CsvColumns,
  type ForeignTimes,
  readForeignTimes,
} from "../calibration/foreign-times.ts";
import { importedProfile } from "../calibration/profiles.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import { checkedOptions, type Given } from "./option.ts";
import { IMPORT } from "./options.ts";
import { contentOf } from "./scenario.ts";

export interface ImportOptions extends Given<typeof IMPORT> {
  /** Columns of another CSV file, and the unit of its times. */
  readonly csv?: CsvColumns | undefined;
}

export interface ImportedTimes extends Pick<ForeignTimes, "format" | "notes"> {
  readonly profile: Profile;
}

/**
 * A profile from times that another tool measured: perf_analyzer, Model Analyzer, MLPerf, Nexus, or any CSV file.
 * Rejects with Fault("not-found") for a file that cannot be read, Fault("invalid-input") for one of no known format,
 * Fault("usage") where neither it nor an option names model and device.
 */
export async function importTimes(
  file: string,
  options: ImportOptions = {},
): Promise<ImportedTimes> {
  const { model, device, format, batch } = checkedOptions(IMPORT, options);
  const { csv } = options;
  const bytes = contentOf(file, file, "give the file that the tool wrote");
  const times = readForeignTimes({ file, text: bytes.toString(), format, batch, csv });
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const profile = importedProfile(times, {
    model: named("model", model, times.model),
    device: named("device", device, times.device),
    source: `${basename(file)}, SHA-256 ${sha256}`,
    date: new Date().toISOString(),
  });
  return { profile, format: times.format, notes: times.notes };
}

function named(what: "model" | "device", given: string | undefined, found: string | null): string {
  const name = given ?? found;
  if (name !== null) return name;
  throw new Fault("usage", `the file does not name the ${what}`, { hint: `add --${what} NAME` });
}
