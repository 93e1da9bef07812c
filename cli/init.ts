/** `tandem init`: a commented scenario to start from, and the schema that editors check it by. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Fault } from "../core/fault.ts";
import { scenarioJsonSchema } from "../core/scenario/json-schema.ts";
import { scenarioTemplate } from "../core/scenario/template.ts";
import { writeAtomically, writeJson } from "./atomic-file.ts";
import { shellWord } from "./repeat-command.ts";

/** Throws Fault("usage") rather than overwrite a scenario. */
export function init(directory: string): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  writeSchema(directory);
  writeAtomically(path, scenarioTemplate(shellWord(dirname(path))));
  process.stdout.write(`${path}\nnext: npx tandem simulate ${shellWord(path)}\n`);
}

/** What the first line of a scenario in this folder names, for editors. */
export function writeSchema(directory: string): void {
  writeJson(join(directory, "scenario.schema.json"), scenarioJsonSchema());
}
