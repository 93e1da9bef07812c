/** The app's tab: a scenario to start from, and the simulator on it. */
import { useEffect, useMemo, useState } from "react";
import { Button, FileTrigger } from "react-aria-components";
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
import { connection, type Snapshot, useConnection } from "../shared/connection.ts";
import { SelectEntry } from "../shared/entries.tsx";
import { useUrlState } from "../shared/store.ts";
import { type ClusterChange, measuredOf, sendToCluster } from "./cluster.ts";
import { OF_CLUSTER, scenarioNames, scenarioOf } from "./examples.ts";
import { simulatorThread } from "./thread.ts";
import { openCurves, WhatIf, type WhatIfProps } from "./what-if.tsx";

const OWN_FILE = "your file";

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
  const [own, setOwn] = useState<ScenarioSource | null>(null);
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
  const room = name === OF_CLUSTER ? deployed?.room : undefined;
  const send = async (change: ClusterChange): Promise<void> => {
    await sendToCluster(client, room ?? {}, change);
    connection.refresh();
  };
  return (
    <>
      <ScenarioBar
        name={name}
        names={names}
        onChoose={choose}
        onOpen={(opened) => {
          setOwn(opened);
          choose(OWN_FILE);
        }}
      />
      {source === null ? null : (
        <Opened
          key={keyOfSource(name, source)}
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

interface ScenarioBarProps {
  readonly name: string;
  readonly names: readonly string[];
  readonly onChoose: (name: string) => void;
  readonly onOpen: (source: ScenarioSource) => void;
}

function ScenarioBar({ name, names, onChoose, onOpen }: ScenarioBarProps) {
  return (
    <div className="what-if wi-actions">
      <div className="wi-scenario">
        <SelectEntry label="Scenario" value={name} options={names} onChange={onChoose} />
      </div>
      <FileTrigger
        allowsMultiple
        onSelect={async (files) => {
          const source = await sourceOfFiles([...(files ?? [])]);
          if (source !== null) onOpen(source);
        }}
      >
        <Button>Open a scenario …</Button>
      </FileTrigger>
      <span className="wi-note">a scenario file, with its profiles and traces if it has any</span>
    </div>
  );
}

/** Another scenario starts anew, as does a deployment of the same name that is another. */
function keyOfSource(name: string, source: ScenarioSource | KeptScenario): string {
  return `${name} ${"text" in source ? source.text.length : JSON.stringify(source.document).length}`;
}

/**
 * The first YAML file is the scenario; the others are known by the paths that its text names. Null
 * without files.
 */
async function sourceOfFiles(files: readonly File[]): Promise<ScenarioSource | null> {
  const scenario = files.find(({ name }) => /\.ya?ml$/.test(name)) ?? files[0];
  if (scenario === undefined) return null;
  const text = await scenario.text();
  const named = new Set(text.match(/[\w./-]+\.\w+/g));
  const entries = files.map(async (file): Promise<readonly (readonly [string, string])[]> => {
    const own = await file.text();
    const paths = [...named].filter((path) => path.split("/").at(-1) === file.name);
    return paths.map((path) => [path, own]);
  });
  return {
    file: scenario.name,
    text,
    files: Object.fromEntries((await Promise.all(entries)).flat()),
  };
}
