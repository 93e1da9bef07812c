/** Checks a scenario's `scheduler` section for unknown names and bad parameters. */
import type { Issue } from "../core/fault.ts";
import { nearest } from "../core/scenario/issues.ts";
import { DECISIONS, type Decision } from "../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import { describeZodIssues } from "../core/scenario/zod-issues.ts";
import type { CompositionDocument } from "./create-scheduler.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";
import type { PolicyChoice } from "./systems/system-pack.ts";

/** Every issue with a scheduler section: unknown presets and policies, bad parameters. */
export function checkScheduler(
  document: SchedulerDocument,
  path: string,
  pipelines?: readonly string[],
): Issue[] {
  if (typeof document === "string") return checkPreset(document, path);
  const issues = checkComposition(document, path, pipelines);
  for (const [task, composition] of Object.entries(document.perTask ?? {})) {
    const at = `${path}.perTask.${task}`;
    issues.push(...checkComposition(composition, at, pipelines));
    if (composition.admission !== undefined) {
      issues.push({ path: `${at}.admission`, message: "admission is decided for whole requests" });
    }
    if (composition.controller !== undefined) {
      issues.push({ path: `${at}.controller`, message: "a controller decides for all tasks" });
    }
  }
  return issues;
}

function checkPreset(name: string, path: string): Issue[] {
  if (Object.hasOwn(PRESETS, name)) return [];
  const known = Object.keys(PRESETS);
  return [{ path, message: `unknown scheduler "${name}"`, hint: suggestion(name, known) }];
}

function checkComposition(
  document: CompositionDocument,
  path: string,
  pipelines: readonly string[] | undefined,
): Issue[] {
  const issues: Issue[] = [];
  if (document.preset !== undefined) {
    issues.push(...checkPreset(document.preset as string, `${path}.preset`));
  }
  for (const decision of DECISIONS) {
    const choice = document[decision];
    if (choice === undefined) continue;
    issues.push(...checkChoice(decision, choice, `${path}.${decision}`, pipelines));
  }
  return issues;
}

function checkChoice(
  decision: Decision,
  choice: PolicyChoice,
  path: string,
  pipelines: readonly string[] | undefined,
): Issue[] {
  const { policy, ...parameters } = typeof choice === "string" ? { policy: choice } : choice;
  const definitions: readonly AnyDefinition[] = POLICIES[decision];
  const found = definitions.find((definition) => definition.name === policy);
  if (found === undefined) {
    const known = definitions.map((definition) => definition.name);
    const message = `unknown ${decision} policy "${policy}"`;
    return [{ path, message, hint: suggestion(policy, known) }];
  }
  const parsed = found.parameters.safeParse(parameters);
  if (parsed.success) {
    return Object.entries(found.pipelinesIn?.(parsed.data) ?? {}).flatMap(([at, name]) => {
      if (pipelines === undefined || pipelines.includes(name)) return [];
      const message = `${policy}: no pipeline has the name "${name}"`;
      return [{ path: `${path}.${at}`, message, hint: suggestion(name, pipelines) }];
    });
  }
  const issues = describeZodIssues(parsed.error.issues, parameters, found.parameters, []);
  return issues.map((issue) => ({
    ...issue,
    path: [path, issue.path].filter((part) => part !== "").join("."),
    message: `${policy}: ${issue.message}`,
  }));
}

function suggestion(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  const list = `known: ${known.join(", ")}`;
  return near === undefined ? list : `did you mean "${near}"? ${list}`;
}
