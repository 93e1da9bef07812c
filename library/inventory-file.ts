/** The inventory that `--on` names. */
import { readFileSync } from "node:fs";
import {
  checkInventory,
  type LoadedInventory,
  readInventory,
} from "../core/inventory/read-inventory.ts";
import { invalidInput } from "../core/scenario/issues.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { unreadable } from "./scenario.ts";

/**
 * The inventory of a file, checked with every document that is to run on it; undefined without a file.
 * Throws Fault("not-found") for a missing file, Fault("invalid-input") with all issues.
 */
export function inventoryFor(file: string, documents: readonly ScenarioDocument[]): LoadedInventory;
export function inventoryFor(
  file: string | undefined,
  documents: readonly ScenarioDocument[],
): LoadedInventory | undefined;
export function inventoryFor(
  file: string | undefined,
  documents: readonly ScenarioDocument[],
): LoadedInventory | undefined {
  if (file === undefined) return undefined;
  const loaded = readInventory(textOf(file), file);
  const issues = documents.flatMap((document) => checkInventory(loaded, document));
  if (issues.length > 0) throw invalidInput(file, issues, loaded.positions);
  return loaded;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const hint = "it says where the scenario's nodes are; docs/deploy.md shows one for each kind";
    throw unreadable(`the inventory ${file}`, cause, hint);
  }
}
