/** Checks a scenario's `scheduler` section: unknown names, bad parameters, a system that it does not take. */

import { Fault, type Issue } from "../engine/basics/fault.ts";
import { haveTimes } from "../scenario/checks/check-models.ts";
import { compileSystem, type MeasuredInputs } from "../scenario/compile/compile.ts";
import { editDistance, nearest } from "../scenario/reading/issues.ts";
import { DETAILED, describeZodIssues } from "../scenario/reading/zod-issues.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { DECISIONS, type Decision } from "../scenario/schema/scheduler.ts";
import {
  type CompositionDocument,
  createScheduler,
  mergedChoice,
  resolve,
} from "./create-scheduler.ts";
import { NO_OWN, nameOf, type OwnSchedulers, parameterNames } from "./own-scheduler.ts";
import { BUILT_IN, type Registry } from "./registry.ts";
import { type AnyDefinition, chosen, type PolicyChoice } from "./rules/policy-definition.ts";

/**
 * Every issue with a scheduler section: unknown presets and policies, bad parameters, a bad file. A file
 * that `own` lacks is an issue too.
 */
export function checkScheduler(
  document: SchedulerDocument,
  path: string,
  pipelines?: readonly string[],
  own: OwnSchedulers = NO_OWN,
): Issue[] {
  if (typeof document === "string") return checkPreset(document, path, BUILT_IN);
  const { file, perTask = {}, parameters } = document;
  const found = file === undefined ? undefined : own.get(file);
  if (file !== undefined && found?.kind !== "sound") return [fileIssue(file, path, found)];
  const registry = found === undefined || found.kind === "broken" ? BUILT_IN : found.registry;
  const issues = checkComposition(document, path, registry, pipelines);
  for (const [task, composition] of Object.entries(perTask)) {
    const at = `${path}.perTask.${task}`;
    issues.push(...checkComposition(composition, at, registry, pipelines));
    if (composition.admission !== undefined) {
      issues.push({ path: `${at}.admission`, message: "admission is decided for whole requests" });
    }
    if (composition.controller !== undefined) {
      issues.push({ path: `${at}.controller`, message: "a controller decides for all tasks" });
    }
  }
  if (file === undefined && parameters !== undefined) {
    const hint =
      "`batching: { policy: size-or-timeout, maxBatch: 8 }` gives those of a built-in one";
    const message = "parameters are those of a `file`";
    issues.push({ path: `${path}.parameters`, message, hint });
  }
  if (issues.length > 0 || file === undefined) return issues;
  return checkOwn(document, path, own);
}

/** A file that is not sound, or not at hand. */
function fileIssue(
  file: string,
  path: string,
  found: ReturnType<OwnSchedulers["get"]>,
): Issue & { path: string } {
  const at = `${path}.file`;
  if (found?.kind === "broken") return { path: at, message: found.message, hint: found.hint };
  return {
    path: at,
    message: `${file} is code, and is not loaded here`,
    hint: "the commands load it: simulate, plan, validate, check and cluster up",
  };
}

/** The file's own policies with the scenario's parameters; its names have been checked. */
function checkOwn(
  document: Exclude<SchedulerDocument, string>,
  path: string,
  own: OwnSchedulers,
): Issue[] {
  const { file = "", parameters = {} } = document;
  const { registry, base, own: inFile } = resolve(document, own);
  const used = DECISIONS.map((decision) => {
    const choice = base[decision];
    const { policy } = chosen(choice);
    const one = inFile?.definitions[decision].find(({ name }) => name === policy);
    return { decision, choice, one };
  });
  const names = used.flatMap(({ one }) =>
    one === undefined ? [] : [parameterNames(one.parameters)],
  );
  const known = names.flatMap((list) => list ?? []);
  const issues: Issue[] = names.includes(null)
    ? []
    : Object.keys(parameters)
        .filter((name) => !known.includes(name))
        .map((name) => ({
          path: `${path}.parameters.${name}`,
          message: `${nameOf(file)} has no parameter "${name}"`,
          hint: known.length === 0 ? "it has none" : suggestion(name, known),
        }));
  for (const { decision, choice, one } of used) {
    if (document[decision] !== undefined && one === undefined) continue;
    issues.push(...checkChoice(decision, choice, `${path}.parameters`, registry, undefined));
  }
  return issues;
}

function checkPreset(name: string, path: string, { presets }: Registry): Issue[] {
  if (Object.hasOwn(presets, name)) return [];
  const known = Object.keys(presets);
  return [{ path, message: `unknown scheduler "${name}"`, hint: suggestion(name, known) }];
}

function checkComposition(
  document: CompositionDocument,
  path: string,
  registry: Registry,
  pipelines: readonly string[] | undefined,
): Issue[] {
  const issues: Issue[] = [];
  if (document.preset !== undefined) {
    issues.push(...checkPreset(document.preset as string, `${path}.preset`, registry));
  }
  const start = registry.presets[String(document.preset ?? "fifo")]?.composition;
  for (const decision of DECISIONS) {
    const choice = document[decision];
    if (choice === undefined) continue;
    const merged = mergedChoice(start?.[decision] ?? choice, choice);
    issues.push(...checkChoice(decision, merged, `${path}.${decision}`, registry, pipelines));
  }
  return issues;
}

function checkChoice(
  decision: Decision,
  choice: PolicyChoice,
  path: string,
  { policies }: Registry,
  pipelines: readonly string[] | undefined,
): Issue[] {
  const { policy, parameters } = chosen(choice);
  const definitions: readonly AnyDefinition[] = policies[decision];
  const found = definitions.find((definition) => definition.name === policy);
  if (found === undefined) {
    const known = definitions.map((definition) => definition.name);
    const message = `unknown ${decision} policy "${policy}"`;
    return [{ path, message, hint: suggestion(policy, known) }];
  }
  const parsed = found.parameters.safeParse(parameters, DETAILED);
  if (parsed.success) {
    return Object.entries(found.pipelinesIn?.(parsed.data) ?? {}).flatMap(([at, name]) => {
      if (pipelines === undefined || pipelines.includes(name)) return [];
      const message = `${policy}: no pipeline has the name "${name}"`;
      return [{ path: `${path}.${at}`, message, hint: suggestion(name, pipelines) }];
    });
  }
  const issues = describeZodIssues(parsed.error.issues, []);
  const none = parameterNames(found.parameters)?.length === 0 ? { hint: "it has none" } : {};
  return issues.map((issue) => ({
    ...none,
    ...issue,
    path: [path, issue.path].filter((part) => part !== "").join("."),
    message: `${policy}: ${issue.message}`,
  }));
}

/**
 * The issues for which `createScheduler` refuses the system; the document is sound otherwise. Only
 * controllers refuse, and a file's own are played. A model without times yet leaves nothing to check.
 */
export function checkFit(document: ScenarioDocument, inputs: MeasuredInputs): readonly Issue[] {
  const { scheduler } = document;
  if (typeof scheduler === "object" && scheduler.file !== undefined) return [];
  if (resolve(scheduler, NO_OWN).base.controller === "none") return [];
  if (!haveTimes(document, inputs.profiles)) return [];
  try {
    createScheduler(scheduler, compileSystem(document, inputs), "0");
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    const { issues, message, hint } = error;
    if (issues.length > 0) return issues;
    return [{ path: "scheduler", message, ...(hint === undefined ? {} : { hint }) }];
  }
}

/** Longer lists are no help on one line. */
const FEW = 8;
const MOST_NEAR = 3;

/** The names that may have been meant by an unknown one. */
export function suggestion(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  if (known.length <= FEW) {
    const list = `known: ${known.join(", ")}`;
    return near === undefined ? list : `did you mean "${near}"? ${list}`;
  }
  const closest = known
    .toSorted((a, b) => editDistance(given, a) - editDistance(given, b))
    .filter((name) => name !== near);
  const names = [...(near === undefined ? [] : [near]), ...closest].slice(0, MOST_NEAR);
  const meant = `did you mean "${names.slice(0, -1).join('", "')}" or "${names[names.length - 1]}"?`;
  return `${meant} \`tandem schedulers\` lists all`;
}
