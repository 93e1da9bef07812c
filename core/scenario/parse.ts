/**
 * Scenario text to a checked document:
 *
 *   text -> YAML with lines -> section files and --set options in place -> sections by schema
 *        -> data files -> checks -> rates from shares of capacity -> LoadedScenario, or one Fault with every issue
 */
import { parse as parseYaml } from "yaml";
import { Fault, type Issue } from "../fault.ts";
import type { OverheadProfile, Profile } from "../profile.ts";
import type { LoadCapacity } from "../results.ts";
import { checkSharesOnce } from "./capacity-shares.ts";
import { type CheckOptions, runChecks } from "./checks.ts";
import { digestOf } from "./digest.ts";
import {
  type Draft,
  enterSectionFile,
  invalidInput,
  override,
  pinSweep,
  readDraft,
} from "./draft.ts";
import { type DataFiles, type ReadFile, readDataFiles } from "./files.ts";
import type { Mended } from "./mend.ts";
import { didYouMean } from "./nearest.ts";
import { issueAt, isWithin, type Positions } from "./positions.ts";
import { resolveLoads, type UndigestedScenario, withStandInRates } from "./resolve-loads.ts";
import type { ScenarioDocument } from "./schema.ts";
import { mendSection, parseSection, SECTION_NAMES, SECTIONS, type Sections } from "./sections.ts";
import { sweptIssues } from "./sweep.ts";
import { readSwept } from "./swept.ts";
import type { SectionFiles } from "./variant.ts";

/** A scenario without issues, with all the data that it names. Plain data: may be cloned. */
export interface LoadedScenario {
  readonly document: ScenarioDocument;
  /** 16 hex digits over the document and the contents of its data files. */
  readonly digest: string;
  /** The scenario file's path, as given. */
  readonly file: string;
  /** By path as written in the scenario. */
  readonly profiles: Readonly<Record<string, Profile>>;
  readonly overheadProfile?: OverheadProfile;
  /** Arrival times by path as written, in microseconds from the first; `scale` not yet applied. */
  readonly traces: Readonly<Record<string, number[]>>;
  /** Input sizes of the traces that have them, row by row, by path as written. */
  readonly traceSizes?: Readonly<Record<string, number[]>>;
  /** Contents of the section files that the sweep names, by path as written. */
  readonly sectionFiles: SectionFiles;
  /** Where arrival rates were given as shares of it. */
  readonly capacity?: LoadCapacity;
  /** Where each path is written, for later issues. */
  readonly positions: Positions;
}

/**
 * Reads and checks a scenario. Paths inside it start at the folder of `file`; `readFile` throws
 * where there is no file; `overrides` are values by path, as from `--set`. An override of a path
 * that the sweep's grid varies takes the place of that axis.
 * Throws Fault("invalid-input") with all issues, Fault("limit-exceeded") on an outsized file.
 */
export function parseScenario(
  text: string,
  file: string,
  readFile: ReadFile,
  overrides: Readonly<Record<string, unknown>> = {},
  options: CheckOptions = {},
): LoadedScenario {
  const draft = readDraft(text, file, readFile);
  const paths = Object.keys(overrides);
  override(
    draft,
    overrides,
    paths.filter((path) => SECTIONS.has(path)),
  );
  for (const section of SECTION_NAMES) enterSectionFile(draft, section);
  override(
    draft,
    overrides,
    paths.filter((path) => !SECTIONS.has(path)),
  );
  pinSweep(draft, paths);

  const { sections, failed, mended } = parseSections(draft);
  const swept = readSwept(draft, sections, failed);
  const documents = [sections, ...swept.documents];
  const requireTimes = options.requireTimes === true;
  const { files, issues } = readDataFiles(documents, file, readFile, requireTimes);
  const { positions } = draft;
  const { sectionFiles } = swept;
  // Where none failed, the required ones are there.
  const document = sections as ScenarioDocument;
  const loaded = { document, file, ...files, sectionFiles, positions };
  draft.issues.push(...checkSharesOnce(sections));
  const standIn = withStandInRates(loaded);
  const found = [...issues, ...runChecks(standIn.document, failed, { ...options, file, files })];
  draft.issues.push(...mended.reduce(withoutConsequences, found));
  if (draft.issues.length === 0) return digested(resolveLoads(loaded, options), files);
  if (failed.size === 0) {
    const more = sweptIssues({ ...standIn, digest: "" }, options, draft.issues);
    draft.issues.push(...mended.reduce(withoutConsequences, more));
  }
  throw invalidInput(file, draft.issues, positions);
}

function digested(resolved: UndigestedScenario, files: DataFiles): LoadedScenario {
  const { document, sectionFiles } = resolved;
  return { ...resolved, digest: digestOf({ document, ...files, sectionFiles }) };
}

interface ParsedSections {
  /** Those that did not parse are as they seem to be meant. */
  readonly sections: Sections;
  /** Those of which that is not clear. */
  readonly failed: ReadonlySet<string>;
  readonly mended: readonly Mended[];
}

function parseSections(draft: Draft): ParsedSections {
  for (const key of Object.keys(draft.raw)) {
    if (SECTIONS.has(key)) continue;
    draft.issues.push(issueAt([key], `unknown key "${key}"`, didYouMean(key, SECTIONS)));
  }
  const failed = new Set<string>();
  const mended: Mended[] = [];
  const sections: Record<string, unknown> = {};
  for (const section of SECTION_NAMES) {
    const raw = draft.raw[section];
    const unread = draft.issues.some((issue) => issue.path === section);
    if (unread && raw === undefined) {
      failed.add(section);
      continue;
    }
    const parsed = parseSection(section, raw);
    draft.issues.push(...parsed.issues);
    if (parsed.issues.length === 0) {
      if (parsed.value !== undefined) sections[section] = parsed.value;
      continue;
    }
    const meant = mendSection(section, raw);
    if (meant === null) {
      failed.add(section);
    } else {
      sections[section] = meant.value;
      mended.push(meant);
    }
  }
  return { sections, failed, mended };
}

/** What was found in mended sections, where it is written, and without what mending made wrong. */
function withoutConsequences(issues: readonly Issue[], { madeUp, renamed }: Mended): Issue[] {
  const own = issues.filter(({ path }) => !madeUp.some((made) => isWithin(path, made)));
  return own.map((issue) => {
    const name = [...renamed.keys()].find((now) => isWithin(issue.path, now));
    if (name === undefined) return issue;
    return { ...issue, path: `${renamed.get(name)}${issue.path.slice(name.length)}` };
  });
}

/**
 * A `--set` option, `path=value` with the value as YAML, as a pair for `overrides`.
 * Throws Fault("usage") when there is no `=`, no path, or no YAML value.
 */
export function parseSetOption(option: string): [path: string, value: unknown] {
  const at = option.indexOf("=");
  const path = option.slice(0, Math.max(0, at)).trim();
  const hint = "for example --set cluster.replicas.detect=4";
  if (path === "") throw new Fault("usage", `expected path=value, got "${option}"`, { hint });
  const text = option.slice(at + 1);
  try {
    return [path, parseYaml(text)];
  } catch (cause) {
    throw new Fault("usage", `the value of ${path} is not YAML: ${text}`, { hint, cause });
  }
}
