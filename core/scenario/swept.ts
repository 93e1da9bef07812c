/** What a sweep's values name outside the scenario: section files, and through them data files. */
import { pointAssignment, representatives } from "./axes.ts";
import { type Draft, readSectionFile } from "./draft.ts";
import type { ScenarioDocument } from "./schema.ts";
import { isSectionFile, type Sections } from "./sections.ts";
import { setPath } from "./set-path.ts";
import { makeVariant, type SectionFiles, sectionOf } from "./variant.ts";

export interface Swept {
  /** The sections that may name data files, as the swept values make them. */
  readonly documents: readonly Sections[];
  /** By path as written. */
  readonly sectionFiles: SectionFiles;
}

/**
 * Looks at every swept value once, grids without their product. Unknown paths and section files
 * that cannot be read become issues of the draft; other issues are left to the expansion.
 */
export function readSwept(draft: Draft, sections: Sections, failed: ReadonlySet<string>): Swept {
  const sectionFiles: Record<string, unknown> = {};
  const documents: Sections[] = [];
  const checked = new Set<string>();
  const points = sections.validation?.points ?? [];
  const assignments = [
    ...representatives(sections.sweep),
    ...points.map((point, i) => pointAssignment(point, `validation.points.${i}`)),
  ];
  for (const { entries } of assignments) {
    for (const { path, value, from } of entries) {
      if (isSectionFile(path, value) && !Object.hasOwn(sectionFiles, value)) {
        const content = readSectionFile(draft, path, value)?.value;
        if (content !== undefined) sectionFiles[value] = content;
      }
      if (checked.has(path)) continue;
      checked.add(path);
      const result = setPath(sections, path, value);
      const refused = result.kind === "issue" && !failed.has(sectionOf(path));
      if (refused) draft.issues.push({ ...result.issue, path: from });
    }
    const rich = entries.filter(({ value }) => mayNameFile(value));
    for (const section of new Set(rich.map(({ path }) => sectionOf(path)))) {
      if (failed.has(section)) continue;
      const own = entries.filter(({ path }) => sectionOf(path) === section);
      // A variant reads its own section only, and that one parsed.
      const variant = makeVariant(sections as ScenarioDocument, section, own, sectionFiles);
      if (variant.value !== undefined) documents.push({ [section]: variant.value });
    }
  }
  return { documents, sectionFiles };
}

function mayNameFile(value: unknown): boolean {
  return typeof value === "string" || (typeof value === "object" && value !== null);
}
