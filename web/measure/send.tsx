/** Send requests: what, how many, how; start and stop. */
import { useState } from "react";
import { Button, DropZone, FileTrigger, Text } from "react-aria-components";
import { messageOf } from "../shared/client.ts";
import { connection, useConnection } from "../shared/connection.ts";
import { figures } from "../shared/format.ts";
import { NumberEntry, Problem, SelectEntry, TextEntry } from "../shared/parts.tsx";
import { useUrlState } from "../shared/store.ts";
import { addRun, recordOf } from "./history.ts";
import { inOpenQueue, type Measured, type Measuring } from "./measuring.ts";
import {
  drawnScenes,
  FIRST_TEXT,
  type Load,
  type Picture,
  pictureFiles,
  requestsOf,
  SHAPES,
  type Shape,
  textToSend,
  useLoad,
  usualContents,
  type Workload,
  workloadOf,
} from "./requests.ts";

const CONTENTS = [
  { id: "scenes", name: "Drawn street scenes", about: "the server's; it is known what they show" },
  { id: "files", name: "My pictures", about: "PNG, JPEG or WebP, sent in turn" },
  { id: "text", name: "My text", about: "a prompt; the answer has 128 tokens at most" },
  { id: "none", name: "No picture", about: "random tensors, or an empty payload" },
];

interface SendProps {
  readonly measuring: Measuring;
  readonly measured: Measured;
}

/** The form's state that is not in the address, and what its buttons do. */
function useSending(measuring: Measuring, model: string, load: Load, contents: string) {
  const [text, setText] = useUrlState("text", FIRST_TEXT);
  const { client, measures, deployed } = useConnection();
  const [files, setFiles] = useState<readonly Picture[]>([]);
  const [queue, setQueue] = useUrlState("queue", "bounded");
  const isOpenQueue = queue === "open";
  const [problem, setProblem] = useState<string | null>(null);
  const scenario = (deployed?.document.workload as Workload | undefined) ?? null;
  const start = async (): Promise<void> => {
    setProblem(null);
    try {
      const workload = workloadOf(load, scenario);
      if (workload === null) {
        throw new Error("the scenario's workload is a trace: `tandem load` sends it");
      }
      const pictures = contents === "scenes" ? await drawnScenes(client) : [];
      if (contents === "text") pictures.push(textToSend(text));
      if (contents === "files") pictures.push(...files);
      if (contents === "files" && files.length === 0) throw new Error("pick pictures first");
      const send = async () => {
        const at = new Date().toISOString();
        const { status } = connection.store.snapshot();
        const { answers, sent } = await measuring.run(client, measures, {
          model,
          workload,
          pictures,
        });
        if (sent > 0) addRun(recordOf({ at, status, model, workload, answers, sent }));
      };
      await (isOpenQueue ? inOpenQueue(client, send) : send());
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const pick = async (picked: readonly File[]): Promise<void> => {
    try {
      setFiles(await pictureFiles(picked));
      setProblem(null);
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const setOpenQueue = (isOpen: boolean): void => setQueue(isOpen ? "open" : "bounded");
  return { text, setText, files, isOpenQueue, setOpenQueue, problem, scenario, start, pick };
}

export function Send({ measuring, measured }: SendProps) {
  const { models, deployed, state } = useConnection();
  const [load, setLoad] = useLoad();
  const [model, setModel] = useUrlState("model", models[0] ?? "");
  const [contents, setContents] = useUrlState("send", usualContents(deployed, model));
  const sending = useSending(measuring, model, load, contents);
  const { files, isOpenQueue, setOpenQueue, problem, scenario, start, pick } = sending;
  const { text, setText } = sending;
  const isRunning = measured.state === "running";
  const expected = requestsOf(load);
  return (
    <section className="card" aria-labelledby="send">
      <h2 id="send">Send requests</h2>
      <What
        models={models}
        model={model}
        setModel={setModel}
        contents={contents}
        setContents={setContents}
      />
      {contents === "text" && <TextEntry label="Text" value={text} onChange={setText} />}
      {contents === "files" && <Files files={files} onPick={pick} />}
      <SelectEntry
        label="How"
        value={load.shape}
        options={SHAPES.filter(({ id }) => id !== "scenario" || scenario !== null)}
        onChange={(shape) => setLoad({ ...load, shape: shape as Shape })}
      />
      <Numbers
        load={load}
        setLoad={setLoad}
        hasOwnLimit={load.shape === "scenario" && scenario?.client !== undefined}
      />
      {load.shape === "scenario" && (
        <pre className="small">{JSON.stringify(scenario, null, 1)}</pre>
      )}
      {deployed !== null && (
        <label className="switch">
          <input
            type="checkbox"
            checked={isOpenQueue}
            onChange={({ target }) => setOpenQueue(target.checked)}
          />
          Take every request, however long the queue: starts a run of its own
        </label>
      )}
      <div className="row">
        <Button
          className="button primary"
          onPress={start}
          // While it runs it keeps the focus.
          isPending={isRunning}
          isDisabled={state !== "connected" || model === ""}
        >
          Start
        </Button>
        <Button className="button" onPress={() => measuring.stop()} isDisabled={!isRunning}>
          Stop
        </Button>
        {expected !== null && !isRunning && (
          <span className="muted small">{figures(expected)} requests</span>
        )}
      </div>
      {isRunning && <Progress measured={measured} expected={expected} />}
      <Problem text={problem} />
    </section>
  );
}

interface WhatProps {
  /** Empty: the server lists none. */
  readonly models: readonly string[];
  readonly model: string;
  readonly setModel: (model: string) => void;
  readonly contents: string;
  readonly setContents: (contents: string) => void;
}

function What({ models, model, setModel, contents, setContents }: WhatProps) {
  return (
    <div className="grid-2">
      {models.length > 0 ? (
        <SelectEntry label="Model" value={model} options={models} onChange={setModel} />
      ) : (
        <TextEntry
          label="Model"
          value={model}
          onChange={setModel}
          about="The server lists none: write its name."
        />
      )}
      <SelectEntry
        label="What to send"
        value={contents}
        options={CONTENTS}
        onChange={setContents}
      />
    </div>
  );
}

interface NumbersProps {
  readonly load: Load;
  readonly setLoad: (load: Load) => void;
  /** The scenario's clients give up by themselves. */
  readonly hasOwnLimit: boolean;
}

function Numbers({ load, setLoad, hasOwnLimit }: NumbersProps) {
  const { shape } = load;
  const entry = (key: keyof Load, label: string, most: number, least = 1) => (
    <NumberEntry
      key={key}
      label={label}
      value={load[key] as number}
      onChange={(value) => setLoad({ ...load, [key]: value })}
      least={least}
      most={most}
    />
  );
  return (
    <div className="grid-2">
      {shape === "burst" && entry("n", "Requests at once (n)", 4096)}
      {shape === "closed" && [
        entry("clients", "Clients", 1000),
        entry("n", "Requests in all", 100_000),
      ]}
      {shape === "poisson" && entry("ratePerS", "Requests a second", 5000, 0.1)}
      {shape === "ramp" && [
        entry("ratePerS", "From, requests a second", 5000, 0.1),
        entry("toRatePerS", "To, requests a second", 5000, 0.1),
      ]}
      {(shape === "poisson" || shape === "ramp") && entry("durationS", "Duration, s", 3600)}
      {!hasOwnLimit && entry("limitS", "Give a request up after, s", 3600, 0.1)}
    </div>
  );
}

interface FilesProps {
  readonly files: readonly Picture[];
  readonly onPick: (files: File[]) => void;
}

function Files({ files, onPick }: FilesProps) {
  const told =
    files.length === 0 ? "Drop pictures here, or" : `${files.length} picked; drop others, or`;
  return (
    <DropZone
      className="drop"
      aria-label="Pictures to send"
      onDrop={async ({ items }) => {
        const dropped = items.flatMap((item) => (item.kind === "file" ? [item.getFile()] : []));
        onPick(await Promise.all(dropped));
      }}
    >
      <Text slot="label">{told}</Text>
      <FileTrigger
        allowsMultiple
        acceptedFileTypes={["image/png", "image/jpeg", "image/webp"]}
        onSelect={(list) => onPick([...(list ?? [])])}
      >
        <Button className="button">Pick files</Button>
      </FileTrigger>
      <div className="thumbs">
        {files.map(({ name, source }) => (
          <img key={source} src={source ?? ""} alt={name} className="thumb" />
        ))}
      </div>
    </DropZone>
  );
}

interface ProgressProps {
  readonly measured: Measured;
  readonly expected: number | null;
}

function Progress({ measured: { answers, sent }, expected }: ProgressProps) {
  return (
    <label className="progress">
      {answers.length} answers of {Math.max(sent, answers.length)} sent
      <progress value={answers.length} max={Math.max(1, expected ?? sent)} />
    </label>
  );
}
