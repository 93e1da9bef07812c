/** The engine that an inventory names for sweeps. */
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { Fault } from "../core/fault.ts";
import type { EngineSettings } from "../sweep/engines/job-list.ts";

export function engineSettings(path: string): EngineSettings {
  const inventory = parse(readFileSync(path, "utf8")) as EngineSettings;
  if (["local", "slurm", "kubernetes"].includes(inventory.kind)) return inventory;
  throw new Fault("usage", `${path}: no sweep runs on kind ${inventory.kind}`, {
    hint: "a sweep runs on local, slurm or kubernetes",
  });
}
