/** `tandem init`: a commented scenario to start from, and the schema that editors check it by. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../core/fault.ts";
import { scenarioTemplate } from "../core/scenario/template.ts";
import { publishedSchema } from "../schedulers/json-schema.ts";
import { writeAtomically, writeJson } from "../sweep/atomic-file.ts";
import { shellWord } from "./provenance.ts";

/** Throws Fault("usage") rather than overwrite a scenario. */
export function init({ directory, json }: { directory: string; json: boolean }): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  const jsonSchema = writeSchema(directory);
  writeAtomically(path, scenarioTemplate(shellWord(dirname(path))));
  const document = { schema: "tandem/init@1", scenario: path, jsonSchema };
  const next = `npx tandem simulate ${shellWord(path)}`;
  process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${path}\nnext: ${next}\n`);
}

/**
 * Writes the schema that the first line of a scenario in this folder names for editors; gives its
 * path.
 */
export function writeSchema(directory: string): string {
  const path = join(directory, "scenario.schema.json");
  writeJson(path, publishedSchema());
  return path;
}
