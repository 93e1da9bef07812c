/** A scheduler as the form has it: a preset, other policies for some decisions, changed parameters. */
import type { Catalogue, PolicyEntry } from "../../library/browser.ts";
import type { SchedulerDocument } from "../shared/api.ts";

export interface Draft {
  readonly preset: string;
  /** By decision. */
  readonly policies: Readonly<Record<string, string>>;
  /** By decision, then by name. */
  readonly parameters: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The decisions of a composition; its other keys are not part of the form. */
export function draftOf(document: SchedulerDocument): Draft {
  if (typeof document === "string") return { preset: document, policies: {}, parameters: {} };
  const { preset = "fifo", file: _, parameters: __, perTask: ___, ...decisions } = document;
  const policies: Record<string, string> = {};
  const parameters: Record<string, Record<string, unknown>> = {};
  for (const [decision, choice] of Object.entries(decisions)) {
    if (typeof choice === "string") policies[decision] = choice;
    else {
      const { policy, ...own } = choice as { policy: string };
      policies[decision] = policy;
      parameters[decision] = own;
    }
  }
  return { preset: String(preset), policies, parameters };
}

/** A preset's name where nothing else was chosen. */
export function documentOf({ preset, policies, parameters }: Draft): SchedulerDocument {
  const decisions = Object.entries(policies).map(([decision, policy]) => {
    const own = parameters[decision] ?? {};
    return [decision, Object.keys(own).length === 0 ? policy : { policy, ...own }];
  });
  return decisions.length === 0 ? preset : { preset, ...Object.fromEntries(decisions) };
}

/** The policy of each decision. */
export function chosenPolicies({ preset, policies }: Draft, catalogue: Catalogue): PolicyEntry[] {
  const composition = catalogue.presets.find(({ name }) => name === preset)?.composition;
  return catalogue.policies.filter(({ decision, name }) => {
    const ofPreset = composition?.[decision];
    const usual = typeof ofPreset === "object" ? ofPreset.policy : ofPreset;
    return name === (policies[decision] ?? usual);
  });
}

export function withPolicy(draft: Draft, decision: string, policy: string): Draft {
  const { [decision]: _, ...parameters } = draft.parameters;
  return { ...draft, policies: { ...draft.policies, [decision]: policy }, parameters };
}

/** The parameters that a policy of the form has: the preset's, where it is the preset's, and the changed. */
export function parametersOf(
  { preset, parameters }: Draft,
  catalogue: Catalogue,
  { decision, name }: Pick<PolicyEntry, "decision" | "name">,
): Readonly<Record<string, unknown>> {
  const ofPreset = catalogue.presets.find((one) => one.name === preset)?.composition[decision];
  const isSame = typeof ofPreset === "object" && ofPreset.policy === name;
  const { policy: _, ...own } = isSame ? ofPreset : { policy: name };
  return { ...own, ...parameters[decision] };
}

/** `own`: all parameters of the policy. */
export function withParameters(
  draft: Draft,
  { decision, name }: Pick<PolicyEntry, "decision" | "name">,
  own: Readonly<Record<string, unknown>>,
): Draft {
  return {
    ...draft,
    policies: { ...draft.policies, [decision]: name },
    parameters: { ...draft.parameters, [decision]: own },
  };
}
