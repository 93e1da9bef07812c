/** The deployment's scheduler: any that the server lists, with its parameters. */
import { useEffect, useState } from "react";
import { Button, Disclosure, DisclosurePanel, Heading, Switch } from "react-aria-components";
import type { Catalogue, JsonSchema, JsonSchemas, PolicyEntry } from "../../library/browser.ts";
import type { SchedulerDocument } from "../shared/api.ts";
import { Choice } from "../shared/choice.tsx";
import { messageOf } from "../shared/client.ts";
import { connection, useConnection } from "../shared/connection.ts";
import { NumberEntry, TextEntry } from "../shared/entries.tsx";
import {
  chosenPolicies,
  type Draft,
  documentOf,
  draftOf,
  parametersOf,
  withParameters,
  withPolicy,
} from "./scheduler-draft.ts";

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
  const preset = catalogue.presets.find(({ name }) => name === draft.preset);
  const presets = catalogue.presets.map(({ name, summary }) => ({
    id: name,
    name,
    about: summary,
  }));
  return (
    <section className="card" aria-labelledby="scheduler">
      <h2 id="scheduler">Scheduler</h2>
      <p className="small">
        In use: <strong data-testid="scheduler-in-use">{status?.scheduler}</strong>
      </p>
      <Choice
        label="Scheduler"
        value={draft.preset}
        options={presets}
        onChange={(name) => setDraft({ preset: name, policies: {}, parameters: {} })}
      />
      <p className="muted small">{preset?.summary}</p>
      {chosenPolicies(draft, catalogue).map((policy) => (
        <PolicyParameters key={policy.decision} {...{ policy, draft, setDraft, catalogue }} />
      ))}
      <Disclosure className="disclosure">
        <Heading>
          <Button slot="trigger" className="button quiet">
            Compose your own ▾
          </Button>
        </Heading>
        <DisclosurePanel>
          <Composition {...{ draft, setDraft, catalogue }} />
        </DisclosurePanel>
      </Disclosure>
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

interface DraftProps {
  readonly draft: Draft;
  readonly setDraft: (draft: Draft) => void;
  readonly catalogue: Catalogue;
}

interface PolicyProps extends DraftProps {
  readonly policy: PolicyEntry;
}

function PolicyParameters({ policy, draft, setDraft, catalogue }: PolicyProps) {
  const { decision, name, parameters } = policy;
  const entries = Object.entries((parameters.properties ?? {}) as JsonSchemas);
  if (entries.length === 0) return null;
  const given = parametersOf(draft, catalogue, policy);
  return (
    <fieldset className="parameters">
      <legend>
        {decision}: {name}
      </legend>
      {entries.map(([parameter, schema]) => (
        <ParameterEntry
          key={parameter}
          {...{ parameter, schema }}
          value={given[parameter] ?? schema.default}
          onChange={(value) =>
            setDraft(withParameters(draft, policy, { ...given, [parameter]: value }))
          }
        />
      ))}
    </fieldset>
  );
}

interface ParameterEntryProps {
  readonly parameter: string;
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

function ParameterEntry({ parameter, schema, value, onChange }: ParameterEntryProps) {
  const { type, description = "", enum: values, minimum = 0, maximum } = schema;
  if (values !== undefined) {
    const options = values.map(String).map((id) => ({ id, name: id }));
    return <Choice label={parameter} value={String(value)} options={options} onChange={onChange} />;
  }
  if (type === "boolean") {
    return (
      <Switch className="switch" isSelected={value === true} onChange={onChange}>
        <span className="track" aria-hidden="true" />
        {parameter}: {description}
      </Switch>
    );
  }
  if (type === "number" || type === "integer") {
    return (
      <NumberEntry
        label={parameter}
        about={description}
        value={typeof value === "number" ? value : minimum}
        onChange={onChange}
        least={minimum}
        most={maximum}
        {...(type === "integer" ? { step: 1 } : {})}
      />
    );
  }
  return (
    <TextEntry
      label={`${parameter}: ${description} (JSON)`}
      value={typeof value === "string" ? value : JSON.stringify(value ?? null)}
      onChange={(text) => onChange(parsed(text))}
    />
  );
}

/** While it is being typed it may be no JSON yet. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function Composition({ draft, setDraft, catalogue }: DraftProps) {
  const decisions = [...new Set(catalogue.policies.map(({ decision }) => decision))];
  const chosen = new Map(
    chosenPolicies(draft, catalogue).map(({ decision, name }) => [decision, name]),
  );
  return (
    <div className="grid-2">
      {decisions.map((decision) => (
        <Choice
          key={decision}
          label={decision}
          value={chosen.get(decision) ?? ""}
          options={catalogue.policies
            .filter((policy) => policy.decision === decision)
            .map(({ name, summary }) => ({ id: name, name, about: summary }))}
          onChange={(name) => setDraft(withPolicy(draft, decision, name))}
        />
      ))}
    </div>
  );
}
