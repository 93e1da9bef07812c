/** The app's tab: a scenario to start from, and the simulator on it. */
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { Button, FileTrigger } from "react-aria-components";
import type { KeptScenario, ScenarioSource } from "../../library/browser.ts";
import { useUrlState } from "../shared/url-state.ts";
import { useConnection, useHeld, useSamples } from "../shared/use-connection.tsx";
import { type ClusterChange, measuredOf, sendToCluster } from "./cluster.ts";
import type { Thread } from "./curve-store.ts";
import { EXAMPLES, readExample } from "./examples.ts";

const WhatIf = lazy(async () => ({ default: (await import("./what-if.tsx")).WhatIf }));

const OWN_FILE = "your file";
const OF_CLUSTER = "the cluster's scenario";

export function WhatIfTab() {
  const { deployed, client } = useConnection();
  const { connection } = useHeld();
  const samples = useSamples();
  const measured = useMemo(() => measuredOf(samples), [samples]);
  const [own, setOwn] = useState<ScenarioSource | null>(null);
  const names = [
    ...(deployed === null ? [] : [OF_CLUSTER]),
    ...EXAMPLES,
    ...(own === null ? [] : [OWN_FILE]),
  ];
  const [given, setName] = useUrlState("scenario", names[0]);
  const [state, setState] = useUrlState("what-if", "");
  const name = names.includes(given) ? given : names[0];
  const example = useExample(name);
  const source = name === OWN_FILE ? own : name === OF_CLUSTER ? deployed : example;
  const choose = (next: string): void => {
    setState("");
    setName(next);
  };
  const isConnected = name === OF_CLUSTER;
  const send = async (change: ClusterChange): Promise<void> => {
    await sendToCluster(client, change);
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
        <Suspense fallback={<p role="status">Loading …</p>}>
          <WhatIf
            key={keyOfSource(name, source)}
            startThread={startThread}
            source={source}
            initialState={state}
            onState={setState}
            {...(isConnected ? { measured, onSendToCluster: send } : {})}
          />
        </Suspense>
      )}
    </>
  );
}

/** Null while it is loaded, and where there is none of that name. */
function useExample(name: string): ScenarioSource | null {
  const [read, setRead] = useState<{ name: string; source: ScenarioSource | null } | null>(null);
  useEffect(() => {
    void readExample(name).then((source) => setRead({ name, source }));
  }, [name]);
  return read?.name === name ? read.source : null;
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
      <label className="wi-scenario">
        Scenario{" "}
        <select
          className="wi-select"
          value={name}
          onChange={({ target }) => onChoose(target.value)}
        >
          {names.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </select>
      </label>
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

/** As one expression: vite finds the thread's code by its form. */
const newThread = (): Thread =>
  new Worker(new URL("./simulation-worker.ts", import.meta.url), { type: "module" });

/** Starts with this file, so that it warms up while the page is made. */
let warm: Thread | null = newThread();

function startThread(): Thread {
  const thread = warm ?? newThread();
  warm = null;
  return thread;
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
