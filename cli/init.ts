/** `tandem init`: a commented scenario to start from. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import { SCENARIO_TEMPLATE } from "../core/scenario/template.ts";
import { writeAtomically } from "./atomic-file.ts";

export function init(directory: string): void {
  const path = join(directory, "scenario.yaml");
  if (existsSync(path)) {
    throw new Fault("usage", `${path} is there already`, { hint: "name another folder" });
  }
  writeAtomically(path, SCENARIO_TEMPLATE);
  process.stdout.write(`${path}\nnext: npx tandem simulate ${path}\n`);
}
