/** `tandem init`: a commented scenario to start from, and the schema that editors check it by. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { SCENARIO_TEMPLATE } from "../core/scenario/template.ts";
import { publishedSchema } from "../schedulers/json-schema.ts";
import { writeAtomically, writeJson } from "./atomic-file.ts";

/** Throws Fault("usage") rather than overwrite a scenario. */
export function init(directory: string): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  writeJson(join(directory, "scenario.schema.json"), publishedSchema());
  writeAtomically(path, SCENARIO_TEMPLATE);
  process.stdout.write(`${path}\nnext: npx tandem simulate ${path}\n`);
}
