/** "What if": a scenario under other loads, shapes and schedulers, simulated while one looks. */
import { useEffect, useMemo, useRef, useState } from "react";
import { Button } from "react-aria-components";
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
import { messageOf, saveFile } from "../shared/client.ts";
import { Scale, SelectEntry } from "../shared/parts.tsx";
import { useStore } from "../shared/store.ts";
import {
  type Choices,
  type Effort,
  FEW_REQUESTS,
  FIRST_STATE,
  type Figure,
  loadText,
  MOST_PINS,
  stateOf,
  stateText,
  TIMES,
  type WhatIfState,
} from "./choices.ts";
import { Controls } from "./controls.tsx";
import { type Measured, ResultCharts } from "./curve-charts.tsx";
import { type CurveState, CurveStore, type Snapshot } from "./curve-store.ts";
import type { CurveRequest, Description, Failure } from "./messages.ts";
import {
  differenceText,
  estimateOf,
  PointsTable,
  type Reading,
  Readings,
  verdictOf,
} from "./readings.tsx";
import "./what-if.css";

/** A configuration for a real cluster. */
export interface ClusterChange {
  readonly replicas: Readonly<Record<string, number>>;
  readonly choices: Choices;
}

export interface WhatIfProps {
  /** From `openCurves`, with the same state. */
  readonly store: CurveStore;
  /** A state as `onState` gives it. */
  readonly initialState: string;
  readonly onState: (state: string) => void;
  readonly measured?: Measured;
  /** Without it, no cluster is connected. Rejects with the reason for the user. */
  readonly onSendToCluster?: (change: ClusterChange) => Promise<void>;
}

/** Runs behind each point in the end. */
const REPLICATIONS = 10;
const COLORS = ["--wi-pin-1", "--wi-pin-2", "--wi-pin-3", "--wi-pin-4"];

/** Starts the curves of a state as `onState` gives it. `thread` runs `simulation-worker.ts`. */
export function openCurves(
  thread: Worker,
  source: ScenarioSource | KeptScenario,
  state: string,
): CurveStore {
  const { choices, pins, requests } = stateOf(state);
  const effort = { requests, replications: REPLICATIONS };
  return new CurveStore(thread, source, { curves: curvesOf([choices, ...pins]), effort });
}

export function WhatIf(props: WhatIfProps) {
  const snapshot = useStore(props.store.state);
  const { description, refusal } = snapshot;
  if (refusal === null && description === null) return <p role="status">Reading the scenario …</p>;
  return (
    <div className="what-if">
      {refusal !== null && <Refusal failure={refusal} />}
      {refusal === null && description !== null && (
        <Bench {...props} snapshot={snapshot} description={description} />
      )}
    </div>
  );
}

interface BenchProps extends WhatIfProps {
  readonly snapshot: Snapshot;
  readonly description: Description;
}

function Bench(props: BenchProps) {
  const { store, description, onState } = props;
  const { schedulers } = props.snapshot;
  const [state, setState] = useState<WhatIfState>(() => stateOf(props.initialState));
  const { choices, pins, requests } = state;
  const effort: Effort = useMemo(
    () => ({ seed: description.seed, requests, replications: REPLICATIONS }),
    [description, requests],
  );
  useEffect(() => {
    store.draw(curvesOf([choices, ...pins]), effort);
  }, [store, choices, pins, effort]);
  useEffect(() => onState(stateText(state)), [state, onState]);
  const set = (change: Partial<WhatIfState>): void => setState({ ...state, ...change });
  return (
    <div className="wi-bench">
      <div className="wi-side">
        {/* They take long to make: the first curve is drawn before. */}
        {schedulers !== null && (
          <>
            <Controls
              description={description}
              schedulers={schedulers}
              choices={choices}
              onChange={(next) => set({ choices: next })}
            />
            <Precision figures={figuresOf(props.snapshot)} state={state} set={set} />
          </>
        )}
      </div>
      <Results {...props} state={state} set={set} effort={effort} />
    </div>
  );
}

interface ResultsProps extends BenchProps, StateProps {
  readonly effort: Effort;
}

function Results(props: ResultsProps) {
  const { snapshot, description, measured, state, set } = props;
  const { loads, curves } = snapshot;
  const { choices, pins } = state;
  const [isOpen, setOpen] = useState(false);
  const present = usePresent(snapshot, keyOf(choices));
  const failure = curves.get(keyOf(choices))?.failure ?? null;
  const { axis } = description;
  const load = nearest(loads, state.load ?? axis.base);
  const shownLoad = loadText(axis, load);
  const isThere = figuresOf(snapshot).some(({ id }) => id === state.quantile);
  const verdict = verdictOf(description, choices, present, load);
  const readings: Reading[] = [
    { id: "now", name: "present", color: "--wi-now", curve: present },
    ...pins.map((pin, i) => ({
      id: `pin-${i}-${keyOf(pin)}`,
      name: differenceText(pin, description),
      color: COLORS[i],
      curve: curves.get(keyOf(pin)),
      onTake: () => set({ choices: pin }),
      onRemove: () => set({ pins: pins.toSpliced(i, 1) }),
    })),
  ];
  return (
    <div className="wi-main">
      {failure === null ? null : <Refusal failure={failure} />}
      <p className="wi-verdict">{verdict}</p>
      {/* Read out once it is precise: figures change with each run. */}
      <p className="hidden" role="status">
        {present?.isWhole === true ? verdict : ""}
      </p>
      <Scale
        label={axis.label}
        value={Math.max(0, loads.indexOf(load))}
        least={0}
        most={Math.max(1, loads.length - 1)}
        step={1}
        shown={shownLoad}
        onChange={(index) => set({ load: loads[index] ?? axis.base })}
      />
      <ResultCharts
        description={description}
        choices={choices}
        readings={readings}
        loads={loads}
        load={load}
        measured={measured}
        figure={isThere ? state.quantile : FIRST_STATE.quantile}
        onPick={(picked) => set({ load: picked })}
      />
      <Actions {...props} />
      <Readings readings={readings} load={load} shownLoad={shownLoad} />
      <details className="wi-more" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>All points as a table</summary>
        {isOpen && <PointsTable loads={loads} curve={present} loadTitle={axis.unit} />}
      </details>
      <Progress curve={present} loads={loads.length} />
    </div>
  );
}

/** While a new curve has no point yet, the one before it. */
function usePresent({ curves, loads }: Snapshot, key: string): CurveState | undefined {
  const before = useRef<CurveState | undefined>(undefined);
  const now = curves.get(key);
  if (now !== undefined && now.points.size > 0) before.current = now;
  const kept = before.current;
  return kept !== undefined && loads.some((load) => kept.points.has(load)) ? kept : now;
}

/** One curve for each configuration, however often it is pinned. */
function curvesOf(all: readonly Choices[]): readonly CurveRequest[] {
  return [...new Map(all.map((choices) => [keyOf(choices), choices]))].map(([key, choices]) => ({
    key,
    choices,
  }));
}

/** One key for one configuration; the order of choices and absent ones do not count. */
function keyOf(choices: Choices): string {
  const entries = Object.entries(choices).filter(([, value]) => value !== undefined);
  return JSON.stringify(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function nearest(loads: readonly number[], load: number): number {
  if (loads.length === 0) return load;
  return loads.reduce((best, one) => (Math.abs(one - load) < Math.abs(best - load) ? one : best));
}

interface StateProps {
  readonly state: WhatIfState;
  readonly set: (change: Partial<WhatIfState>) => void;
}

/** Choices of `WhatIfState.requests`, as text. */
const EXTENTS = [
  { id: String(FEW_REQUESTS), name: "5,000" },
  { id: String(4 * FEW_REQUESTS), name: "20,000" },
  { id: String(20 * FEW_REQUESTS), name: "100,000" },
  { id: "null", name: "as the scenario says" },
];

interface PrecisionProps extends StateProps {
  readonly figures: readonly ComparedFigure[];
}

interface ComparedFigure {
  readonly id: Figure;
  readonly name: string;
}

/** Latencies, and the times of tokens where language models write. */
function figuresOf({ curves }: Snapshot): readonly ComparedFigure[] {
  const results = [...curves.values()].flatMap(({ points }) => [...points.values()]);
  const [latency, ...others] = TIMES;
  const there = others.filter(({ figures: [one] }) =>
    results.some((result) => estimateOf(result, one.id) !== undefined),
  );
  return [latency, ...there].flatMap(({ figures }): readonly ComparedFigure[] => figures);
}

function Precision({ figures, state, set }: PrecisionProps) {
  return (
    <fieldset>
      <legend>Precision</legend>
      <SelectEntry
        label="requests of a run"
        value={String(state.requests)}
        options={EXTENTS}
        onChange={(text) => set({ requests: text === "null" ? null : Number(text) })}
      />
      <SelectEntry
        label="compare by"
        value={state.quantile}
        options={figures}
        onChange={(quantile) => set({ quantile: quantile as Figure })}
      />
    </fieldset>
  );
}

function Actions({ state, set, store, effort, description, ...props }: ResultsProps) {
  const { choices, pins } = state;
  const { onSendToCluster } = props;
  const [said, setSaid] = useState("");
  const isPinned = pins.some((pin) => keyOf(pin) === keyOf(choices));
  const download = async (): Promise<void> => {
    const text = await store.write(choices, effort);
    saveFile(`${description.name}-what-if.yaml`, text, "application/yaml");
    setSaid("Saved: `tandem simulate FILE` gives the same figures.");
  };
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(location.href);
    setSaid("The link is copied.");
  };
  const send = async (): Promise<void> => {
    setSaid("Sending …");
    const replicas = { ...description.replicas, ...choices.replicas };
    try {
      await onSendToCluster?.({ replicas, choices });
      setSaid("The cluster has this configuration now.");
    } catch (error) {
      setSaid(`Not sent: ${messageOf(error)}`);
    }
  };
  return (
    <div className="wi-actions">
      <Button
        isDisabled={isPinned || pins.length >= MOST_PINS}
        onPress={() => set({ pins: [...pins, choices] })}
      >
        Pin to compare
      </Button>
      <Button
        isDisabled={keyOf(choices) === keyOf({})}
        onPress={() => set({ choices: FIRST_STATE.choices })}
      >
        Reset
      </Button>
      <Button onPress={download}>Download scenario</Button>
      {navigator.clipboard === undefined ? null : <Button onPress={copy}>Copy link</Button>}
      {onSendToCluster === undefined ? null : <Button onPress={send}>Send to cluster</Button>}
      <span role="status">{said}</span>
    </div>
  );
}

interface ProgressProps {
  readonly curve: CurveState | undefined;
  readonly loads: number;
}

function Progress({ curve, loads }: ProgressProps) {
  const runs = [...(curve?.points.values() ?? [])].reduce((sum, one) => sum + one.replications, 0);
  const all = loads * REPLICATIONS;
  const text = runs >= all ? `${runs} runs` : `${runs} of ${all} runs, each makes it more precise`;
  return <p className="wi-note">{text}; the same requests for each configuration.</p>;
}

function Refusal({ failure }: { readonly failure: Failure }) {
  const { message, hint, issues } = failure;
  return (
    <div className="wi-refusal" role="alert">
      <p>{issues.length === 0 ? message : "This configuration cannot be simulated:"}</p>
      <ul>
        {issues.map((issue) => (
          <li key={`${issue.path} ${issue.message}`}>
            {issue.path !== "" && (
              <>
                <code>{issue.path}</code>:{" "}
              </>
            )}
            {issue.message}
            {issue.hint === undefined ? null : <> — {issue.hint}</>}
          </li>
        ))}
      </ul>
      {hint === undefined ? null : <p>{hint}</p>}
    </div>
  );
}
