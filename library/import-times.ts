/** `importTimes`: times that another tool measured become a profile, of service or of iterations. */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import type { CsvColumns, ForeignTimes } from "../calibration/foreign/times.ts";
import {
  isCoefficients,
  LAYER_TABLES,
  layerTables,
  publishedCoefficients,
  type StepTimesDocument,
} from "../calibration/foreign-steps.ts";
import { readForeignTimes } from "../calibration/foreign-times.ts";
import { importedProfile, importedSteps } from "../calibration/profiles.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";
import { checkedOptions, type Given } from "./option.ts";
import { IMPORT } from "./options.ts";
import { contentOf } from "./scenario.ts";

export interface ImportOptions extends Given<typeof IMPORT> {
  /** Columns of another CSV file, and the unit of its times. */
  readonly csv?: CsvColumns | undefined;
}

export interface ImportedTimes {
  readonly format: ForeignTimes["format"] | "layer-tables" | "step-coefficients";
  /** Facts about the measurement that the user should know. */
  readonly notes: readonly string[];
  readonly profile: Profile | StepProfile;
}

/**
 * A profile from times that another tool measured: perf_analyzer, Model Analyzer, MLPerf, Nexus, or any CSV file; of a
 * language model's iterations from a folder of LLMServingSim's tables, or from DistServe's coefficients.
 * Rejects with Fault("not-found") for a file that cannot be read, Fault("invalid-input") for one of no known format,
 * Fault("usage") where neither it nor an option names model and device.
 */
export async function importTimes(
  file: string,
  options: ImportOptions = {},
): Promise<ImportedTimes> {
  const { model, device, format, batch, layers, gpus = 1 } = checkedOptions(IMPORT, options);
  const { csv } = options;
  if (isFolder(file)) {
    return stepsOf(file, { model, device, format: "layer-tables" }, (read) =>
      layerTables((name) => read(join(file, name)), named("layers", layers)),
    );
  }
  const bytes = contentOf(file, file, "give the file that the tool wrote");
  if (isCoefficients(bytes.toString())) {
    return stepsOf(file, { model, device, format: "step-coefficients" }, (read) =>
      publishedCoefficients(file, read(file), named("model", model), gpus),
    );
  }
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

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

interface StepsFrom {
  readonly model: string | undefined;
  readonly device: string | undefined;
  readonly format: "layer-tables" | "step-coefficients";
}

/** Everything that is read counts for the digest. */
function stepsOf(
  file: string,
  { model, device, format }: StepsFrom,
  timesOf: (read: (path: string) => string) => StepTimesDocument,
): ImportedTimes {
  const hash = createHash("sha256");
  const times = timesOf((path) => {
    const bytes = contentOf(path, path, `a folder of such times has ${LAYER_TABLES.join(", ")}`);
    hash.update(bytes);
    return bytes.toString();
  });
  const profile = importedSteps(times, {
    model: named("model", model),
    device: named("device", device),
    source: `${basename(file)}, ${format}, SHA-256 ${hash.digest("hex")}`,
    date: new Date().toISOString(),
  });
  return { profile, format, notes: [] };
}

function named<T>(
  what: "model" | "device" | "layers",
  given: T | undefined,
  found: T | null = null,
): T {
  const name = given ?? found;
  if (name !== null) return name;
  throw new Fault("usage", `the file does not name the ${what}`, {
    hint: `add --${what} ${what === "layers" ? "NUMBER" : "NAME"}`,
  });
}
