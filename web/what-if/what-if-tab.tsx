/** The app's tab: a scenario to start from, the simulator on it, and a real cluster beside it. */
import { useEffect, useMemo, useState } from "react";
import { Button, FileTrigger } from "react-aria-components";
import type { GatewayStatus, KeptScenario, ScenarioSource } from "../../library/browser.ts";
import {
  type Client,
  type Deployed,
  replicasText,
  type SchedulerDocument,
  setReplicas,
} from "../shared/client.ts";
import { connection, type Sample, type Snapshot, useConnection } from "../shared/connection.ts";
import { mean } from "../shared/format.ts";
import { SelectEntry } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import { policiesOf } from "./choices.ts";
import type { Measured } from "./curve-charts.tsx";
import { OF_CLUSTER, scenarioNames, scenarioOf, sourceOfFiles } from "./scenarios.ts";
import { simulatorThread } from "./thread.ts";
import { type ClusterChange, openCurves, WhatIf, type WhatIfProps } from "./what-if.tsx";

const OWN_FILE = "your file";

interface OwnFile {
  readonly own: ScenarioSource | null;
  /** Counts the files that were opened. */
  readonly opened: number;
}

/** Null: not before it is known whether the page has a cluster, whose scenario it is then. */
function nameOf(given: string | null, names: readonly string[], of: Snapshot): string | null {
  if (given !== null && names.includes(given)) return given;
  const { state, problem } = of;
  return state === "looking" || (state === "connecting" && problem === null) ? null : names[0];
}

export function WhatIfTab() {
  const connected = useConnection();
  const { deployed, client, samples } = connected;
  const measured = useMemo(() => measuredOf(samples), [samples]);
  const [{ own, opened }, setOwn] = useState<OwnFile>({ own: null, opened: 0 });
  const names = [...scenarioNames(deployed), ...(own === null ? [] : [OWN_FILE])];
  const [given, setName] = useUrlState("scenario", "");
  const [state, setState] = useUrlState("what-if", "");
  const name = nameOf(given, names, connected);
  if (name === null) return <p role="status">Connecting …</p>;
  const source = name === OWN_FILE ? own : scenarioOf(name, deployed);
  const choose = (next: string): void => {
    setState("");
    setName(next);
  };
  const open = async (files: FileList | null): Promise<void> => {
    const next = await sourceOfFiles([...(files ?? [])]);
    if (next === null) return;
    setOwn({ own: next, opened: opened + 1 });
    choose(OWN_FILE);
  };
  const room = name === OF_CLUSTER ? deployed?.room : undefined;
  const send = async (change: ClusterChange): Promise<void> => {
    await sendToCluster(client, room ?? {}, change);
    connection.refresh();
  };
  return (
    <>
      <div className="what-if wi-actions">
        <div className="wi-scenario">
          <SelectEntry label="Scenario" value={name} options={names} onChange={choose} />
        </div>
        <FileTrigger allowsMultiple onSelect={open}>
          <Button>Open a scenario …</Button>
        </FileTrigger>
        <span className="wi-note">a scenario file, with its profiles and traces if it has any</span>
      </div>
      {source === null ? null : (
        <Opened
          // A file that is opened again starts anew, as does another deployment of the same name.
          key={`${name} ${opened} ${"text" in source ? "" : JSON.stringify(source.document)}`}
          source={source}
          initialState={state}
          onState={setState}
          {...(room !== undefined ? { measured, onSendToCluster: send } : {})}
        />
      )}
    </>
  );
}

interface OpenedProps extends Omit<WhatIfProps, "store"> {
  readonly source: ScenarioSource | KeptScenario;
}

function Opened({ source, ...rest }: OpenedProps) {
  const [store] = useState(() => openCurves(simulatorThread(), source, rest.initialState));
  useEffect(() => () => store.close(), [store]);
  return <WhatIf store={store} {...rest} />;
}

const MOST_POINTS = 60;

/**
 * The latest samples of the server with answers, each at the rate of its answers. Leaves out those of
 * another configuration; a sample tells of the `windowS` seconds before it.
 */
export function measuredOf(samples: readonly Sample[]): Measured {
  const last = samples.at(-1);
  const configuration = last === undefined ? "" : configurationOf(last.status);
  const before = samples.findLast(({ status }) => configurationOf(status) !== configuration);
  const sinceS = before === undefined ? 0 : before.atS + before.status.windowS;
  const points = samples.slice(-MOST_POINTS).flatMap(({ atS, status: { all, replicas } }) => {
    const { completedPerS, ...latencies } = all;
    if (completedPerS === 0 || atS <= sinceS) return [];
    const busy = mean(replicas.map(({ utilizationRatio }) => utilizationRatio));
    return [{ load: completedPerS, metrics: { ...latencies, utilizationRatio: busy } }];
  });
  return { configuration, points };
}

function configurationOf(status: GatewayStatus): string {
  return `${replicasText(status)} · ${status.scheduler}`;
}

/**
 * Gives the cluster the replicas, and the scheduler where it was chosen. Rejects with the server's words;
 * where it has no room for the replicas, before anything is changed.
 */
async function sendToCluster(
  client: Client,
  room: Deployed["room"],
  { replicas, choices }: ClusterChange,
): Promise<void> {
  for (const [task, count] of Object.entries(replicas)) {
    if (count <= room[task]) continue;
    throw new Error(
      `the cluster has room for ${room[task]} of ${task}, not for ${count}: ` +
        "`tandem cluster up --spare N` gives it more",
    );
  }
  const policies = Object.entries(policiesOf(choices)).map(([path, choice]) => [
    path.replace("scheduler.", ""),
    choice,
  ]);
  if (choices.scheduler !== undefined || policies.length > 0) {
    const { scheduler: now } = await client.json<{ scheduler: SchedulerDocument }>("/v1/scheduler");
    const base = choices.scheduler ?? now;
    const own = typeof base === "string" ? { preset: base } : base;
    const scheduler = policies.length === 0 ? base : { ...own, ...Object.fromEntries(policies) };
    await client.json("/v1/scheduler", { method: "PUT", body: { scheduler } });
  }
  await setReplicas(client, replicas);
}
