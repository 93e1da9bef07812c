/** The scenario that `tandem init` writes: a sound one of every section, for tests to change. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

const FILE = join(import.meta.dirname, "../cli/templates/scenario.yaml");

export const SCENARIO_TEMPLATE = readFileSync(FILE, "utf8");
