/** The deployment's scheduler: any that the server lists, with its parameters. */
import { useEffect, useState } from "react";
import { Button } from "react-aria-components";
import type { Catalogue, PolicyEntry } from "../../library/browser.ts";
import { policyParameters } from "../../library/scheduler-parameters.ts";
import { messageOf, type SchedulerDocument } from "../shared/client.ts";
import { connection, useConnection } from "../shared/connection.ts";
import { ParameterEntry, SelectEntry } from "../shared/parts.tsx";

/** The server's list and present scheduler, and the form's; `catalogue` is null until they are known. */
function useSchedulers() {
  const { client, deployed } = useConnection();
  const [catalogue, setCatalogue] = useState<Catalogue | null>(null);
  const [draft, setDraft] = useState<Draft>({ preset: "fifo", policies: {}, parameters: {} });
  const [busy, setBusy] = useState(false);
  const [told, setTold] = useState<{ readonly good: boolean; readonly text: string } | null>(null);
  const isThere = deployed !== null;
  useEffect(() => {
    if (!isThere) return setCatalogue(null);
    const load = async (): Promise<void> => {
      const [schedulers, present] = await Promise.all([
        client.json<Catalogue>("/v1/schedulers"),
        client.json<{ scheduler: SchedulerDocument }>("/v1/scheduler"),
      ]);
      setCatalogue(schedulers);
      setDraft(draftOf(present.scheduler));
    };
    load().catch((error) => setTold({ good: false, text: messageOf(error) }));
  }, [client, isThere]);
  const apply = async (): Promise<void> => {
    setBusy(true);
    try {
      const scheduler = documentOf(draft);
      await client.json("/v1/scheduler", { method: "PUT", body: { scheduler } });
      setTold({ good: true, text: "It decides from now on; no request was lost." });
      connection.refresh();
    } catch (error) {
      setTold({ good: false, text: messageOf(error) });
    }
    setBusy(false);
  };
  return { catalogue, draft, setDraft, busy, told, apply };
}

export function Scheduler() {
  const { status } = useConnection();
  const { catalogue, draft, setDraft, busy, told, apply } = useSchedulers();
  if (catalogue === null) return null;
  return (
    <section className="card" aria-labelledby="scheduler">
      <h2 id="scheduler">Scheduler</h2>
      <p className="small">
        In use: <strong data-testid="scheduler-in-use">{status?.scheduler}</strong>
      </p>
      <SelectEntry
        label="Scheduler"
        value={draft.preset}
        options={catalogue.presets.map(optionOf)}
        onChange={(name) => setDraft({ preset: name, policies: {}, parameters: {} })}
      />
      {chosenPolicies(draft, catalogue).map((policy) => (
        <PolicyParameters
          key={policy.decision}
          policy={policy}
          draft={draft}
          setDraft={setDraft}
          catalogue={catalogue}
        />
      ))}
      <details>
        <summary>Compose your own</summary>
        <Composition draft={draft} setDraft={setDraft} catalogue={catalogue} />
      </details>
      <div className="row">
        <Button className="button primary" isDisabled={busy} onPress={apply}>
          Use this scheduler
        </Button>
        <span role="status" className={told?.good ? "good" : "bad"}>
          {told?.text}
        </span>
      </div>
    </section>
  );
}

function optionOf({ name, summary }: Pick<PolicyEntry, "name" | "summary">) {
  return { id: name, name, about: summary };
}

interface DraftProps {
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
  readonly catalogue: Catalogue;
}

interface PolicyProps extends DraftProps {
  readonly policy: PolicyEntry;
}

function PolicyParameters({ policy, draft, setDraft, catalogue }: PolicyProps) {
  const given = parametersOf(draft, catalogue, policy);
  const parameters = policyParameters(policy, given);
  if (parameters.length === 0) return null;
  return (
    <fieldset className="parameters">
      <legend>
        {policy.decision}: {policy.name}
      </legend>
      {parameters.map((parameter) => (
        <ParameterEntry
          key={parameter.name}
          parameter={parameter}
          value={parameter.value}
          onChange={(value) =>
            setDraft(withParameters(draft, policy, { ...given, [parameter.name]: value }))
          }
        />
      ))}
    </fieldset>
  );
}

function Composition({ draft, setDraft, catalogue }: DraftProps) {
  const decisions = [...new Set(catalogue.policies.map(({ decision }) => decision))];
  const chosen = new Map(
    chosenPolicies(draft, catalogue).map(({ decision, name }) => [decision, name]),
  );
  return (
    <div className="grid-2">
      {decisions.map((decision) => (
        <SelectEntry
          key={decision}
          label={decision}
          value={chosen.get(decision) ?? ""}
          options={catalogue.policies
            .filter((policy) => policy.decision === decision)
            .map(optionOf)}
          onChange={(name) => setDraft(withPolicy(draft, decision, name))}
        />
      ))}
    </div>
  );
}

/** A scheduler as the form has it: a preset, other policies for some decisions, changed parameters. */
interface Draft {
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
