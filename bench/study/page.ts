/** The page of the study, in Markdown. */
import type { Claim, Figure } from "./claim.ts";
import type { Effort, FieldScenario } from "./field.ts";
import type { CellResult } from "./map.ts";

export interface ClaimFindings {
  readonly claim: Claim;
  readonly figures: readonly Figure[];
}

export interface Findings {
  readonly claims: readonly ClaimFindings[];
  readonly field: readonly CellResult[];
  readonly right: readonly CellResult[];
  readonly scenarios: readonly FieldScenario[];
  readonly effort: Effort;
  readonly machine: string;
}

export function studyPage(_: Findings): string {
  return "";
}
