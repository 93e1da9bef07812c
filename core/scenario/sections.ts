/** The top-level sections of a scenario, parsed one by one: a bad one hides no other. */
import type { z } from "zod";
import type { Issue } from "../fault.ts";
import { type Mended, mend } from "./mend.ts";
import { type ScenarioDocument, scenarioSchema } from "./schema.ts";
import { describeZodIssues } from "./zod-issues.ts";

export type SectionName = keyof typeof scenarioSchema.shape;

/** Parsed sections; a section that did not parse is absent. */
export type Sections = Partial<ScenarioDocument>;

export const SECTION_NAMES = Object.keys(scenarioSchema.shape) as readonly SectionName[];
export const SECTIONS: ReadonlySet<string> = new Set(SECTION_NAMES);

/** Sections whose value may be the path of a file that holds them. */
const IN_FILES: ReadonlySet<string> = new Set(
  SECTION_NAMES.filter((section) => section !== "name" && section !== "description"),
);

/** True when a section's value is the path of a file that holds the section. */
export function isSectionFile(section: string, value: unknown): value is string {
  return typeof value === "string" && IN_FILES.has(section) && /\.(ya?ml|json)$/.test(value);
}

/** `value` is the parsed section, undefined when it is optional and absent, or when it is wrong. */
export interface ParsedSection {
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

/** What a section that did not parse was meant to be; null where that is not clear. */
export function mendSection(section: SectionName, raw: unknown): Mended | null {
  return mend(scenarioSchema.shape[section], raw, [section]);
}

/** One section parsed by its schema, defaults filled in. */
export function parseSection(section: SectionName, raw: unknown): ParsedSection {
  const schema: z.core.$ZodType = scenarioSchema.shape[section];
  const result = scenarioSchema.shape[section].safeParse(raw);
  if (result.success) return { value: result.data, issues: [] };
  return {
    value: undefined,
    issues: describeZodIssues(result.error.issues, raw, schema, [section]),
  };
}
