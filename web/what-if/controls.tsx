/** The controls of a configuration: each shows the value in force, and changes one choice. */
import type { SchedulerForm } from "../../library/browser.ts";
import { NumberEntry, ParameterEntry, Scale, SelectEntry, tidy } from "../shared/parts.tsx";
import { type Batch, type Choices, isPlacedAnew } from "./choices.ts";
import type { Description } from "./messages.ts";

/** Each of them takes time and memory, even those without a replica. */
const MOST_MACHINES = 10_000;

interface ControlsProps {
  readonly description: Description;
  readonly schedulers: readonly SchedulerForm[];
  readonly choices: Choices;
  readonly onChange: (choices: Choices) => void;
}

export function Controls({ description, schedulers, choices, onChange }: ControlsProps) {
  const { machines, goals } = description;
  const set = (change: Partial<Choices>): void => onChange({ ...choices, ...change });
  return (
    <div className="wi-controls">
      <ReplicaControls description={description} choices={choices} set={set} />
      <SchedulerControls
        description={description}
        schedulers={schedulers}
        choices={choices}
        set={set}
      />
      {goals.length === 0 ? null : (
        <fieldset>
          <legend>Latency SLO</legend>
          {goals.map(({ pipeline, latencyMs, percentile }) => (
            <Scale
              key={pipeline}
              label={`${goals.length > 1 ? `${pipeline}: ` : ""}p${percentile} within`}
              unit="ms"
              value={choices.sloMs?.[pipeline] ?? latencyMs}
              least={niceStep(latencyMs)}
              most={4 * latencyMs}
              step={niceStep(latencyMs)}
              onChange={(ms) => set({ sloMs: { ...choices.sloMs, [pipeline]: ms } })}
            />
          ))}
        </fieldset>
      )}
      <fieldset>
        <legend>Hardware</legend>
        <Scale
          label="service times"
          unit="×"
          value={choices.serviceScale ?? 1}
          least={0.1}
          most={3}
          step={0.05}
          onChange={(serviceScale) => set({ serviceScale })}
        />
        {machines.map(({ name, count, costPerHour }) => (
          <div key={name} className="wi-pair">
            <NumberEntry
              label={`${name}: machines`}
              value={choices.machines?.[name] ?? count}
              least={1}
              most={MOST_MACHINES}
              step={1}
              onChange={(one) => set({ machines: { ...choices.machines, [name]: one } })}
            />
            <NumberEntry
              label={`${name}: price per hour`}
              value={choices.costPerHour?.[name] ?? costPerHour}
              least={0}
              onChange={(one) => set({ costPerHour: { ...choices.costPerHour, [name]: one } })}
            />
          </div>
        ))}
      </fieldset>
    </div>
  );
}

interface ReplicaControlsProps {
  readonly description: Description;
  readonly choices: Choices;
  readonly set: (change: Partial<Choices>) => void;
}

function ReplicaControls({ description, choices, set }: ReplicaControlsProps) {
  return (
    <fieldset>
      <legend>Replicas</legend>
      {Object.entries(description.replicas).map(([task, base]) => (
        <Scale
          key={task}
          label={task}
          value={choices.replicas?.[task] ?? base}
          least={1}
          most={Math.max(8, 4 * base)}
          step={1}
          onChange={(count) => set({ replicas: { ...choices.replicas, [task]: count } })}
        />
      ))}
      {isPlacedAnew(choices, description) ? (
        <p className="wi-note">
          The scenario says where its replicas run; with other numbers of them they are placed anew.
        </p>
      ) : null}
    </fieldset>
  );
}

interface SchedulerControlsProps extends ReplicaControlsProps {
  readonly schedulers: readonly SchedulerForm[];
}

function SchedulerControls(props: SchedulerControlsProps) {
  const { description, schedulers, choices, set } = props;
  const form = schedulers.find(({ name }) => name === choices.scheduler);
  const batch = batchInForce(props);
  const own = form?.parameters.filter(({ policy }) => policy !== "size-or-timeout") ?? [];
  const hasOwnBatches = own.some(({ decision }) => decision === "batching");
  // Parameters belong to the scheduler before; so do the values that a batching preset brings.
  const choose = (name: string): void => {
    const { scheduler: _, parameters: __, batch: ___, ...rest } = choices;
    set({ ...rest, ...CLEARED, ...(name === "" ? {} : { scheduler: name }) });
  };
  const isPreset = schedulers.some(({ name }) => name === description.scheduler);
  const usual = `as in the scenario${isPreset ? `: ${description.scheduler}` : ""}`;
  return (
    <fieldset>
      <legend>Scheduler</legend>
      <SelectEntry
        label="policy"
        value={choices.scheduler ?? ""}
        options={[
          { id: "", name: usual },
          ...schedulers.map(({ name, summary }) => ({ id: name, name, about: summary })),
        ]}
        onChange={choose}
      />
      <Parameters parameters={own} choices={choices} set={set} />
      {hasOwnBatches ? null : (
        <Scale
          label="largest batch"
          value={batch.maxBatch}
          least={1}
          most={32}
          step={1}
          onChange={(maxBatch) => set({ batch: { ...batch, maxBatch } })}
        />
      )}
      {hasOwnBatches || batch.maxBatch === 1 ? null : (
        <Scale
          label="a batch waits up to"
          unit="ms"
          value={batch.waitMs}
          least={0}
          most={Math.max(100, 2 * batch.waitMs)}
          step={1}
          onChange={(waitMs) => set({ batch: { ...batch, waitMs } })}
        />
      )}
    </fieldset>
  );
}

/** Values of undefined: a spread puts them over older ones, and JSON leaves them out. */
const CLEARED = { scheduler: undefined, parameters: undefined, batch: undefined } as object;

/** The user's batching, else that of the scheduler in force. */
function batchInForce({ description, schedulers, choices }: SchedulerControlsProps): Batch {
  if (choices.batch !== undefined) return choices.batch;
  const name = choices.scheduler ?? description.scheduler;
  if (choices.scheduler === undefined && description.batch !== null) return description.batch;
  const form = schedulers.find((one) => one.name === name);
  const value = (parameter: string, usual: number): number => {
    const found = form?.parameters.find(
      (one) => one.policy === "size-or-timeout" && one.name === parameter,
    );
    return typeof found?.value === "number" ? found.value : usual;
  };
  return { maxBatch: value("maxBatch", 1), waitMs: value("waitMs", 20) };
}

interface ParametersProps {
  readonly parameters: SchedulerForm["parameters"];
  readonly choices: Choices;
  readonly set: (change: Partial<Choices>) => void;
}

function Parameters({ parameters, choices, set }: ParametersProps) {
  const shown = parameters.filter(({ kind }) => kind !== "other");
  return shown.map((parameter) => {
    const { decision, policy, name } = parameter;
    const own = choices.parameters?.[decision];
    const change = (value: unknown): void => {
      const given = { ...valuesOf(parameters, decision), ...own, policy, [name]: value };
      set({ parameters: { ...choices.parameters, [decision]: given } });
    };
    return (
      <ParameterEntry
        key={`${decision}.${name}`}
        parameter={parameter}
        value={own?.[name] ?? parameter.value}
        onChange={change}
      />
    );
  });
}

/** The preset's own values of one decision's policy. */
function valuesOf(parameters: SchedulerForm["parameters"], decision: string): object {
  const own = parameters.filter((one) => one.decision === decision && one.value !== undefined);
  return Object.fromEntries(own.map(({ name, value }) => [name, value]));
}

/** A twentieth of a value, as 1, 2 or 5 times a power of ten. */
function niceStep(value: number): number {
  const rough = value / 20;
  const power = 10 ** Math.floor(Math.log10(rough));
  return tidy(power * (rough / power >= 5 ? 5 : rough / power >= 2 ? 2 : 1));
}
