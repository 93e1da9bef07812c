/** Requests to send: when they come, as the page's form says and a scenario writes it, and their pictures. */
import { type Client, type Deployed, parsedJson, type Scene } from "../shared/client.ts";
import { useUrlState } from "../shared/store.ts";

export const SHAPES = [
  { id: "burst", name: "All at once", about: "n requests at one instant" },
  {
    id: "closed",
    name: "Closed loop",
    about: "n clients; each waits for its answer, then sends again",
  },
  {
    id: "poisson",
    name: "Open loop",
    about: "so many a second, at random instants, whatever the answers",
  },
  { id: "ramp", name: "Ramp", about: "an open loop whose rate grows" },
  { id: "scenario", name: "The scenario's workload", about: "as the deployment's scenario has it" },
] as const;

export type Shape = (typeof SHAPES)[number]["id"];

/** Numbers of the form; each shape reads some. */
export interface Load {
  readonly shape: Shape;
  readonly n: number;
  readonly clients: number;
  readonly ratePerS: number;
  readonly toRatePerS: number;
  readonly durationS: number;
  /** A request without an answer is given up after this. */
  readonly limitS: number;
}

export type Workload = Readonly<Record<string, unknown>> & { readonly arrivals: string };

export interface Request {
  readonly model: string;
  readonly workload: Workload;
  readonly pictures: readonly Picture[];
}

export const USUAL: Load = {
  // One at a time: no server refuses these.
  shape: "closed",
  n: 10,
  clients: 1,
  ratePerS: 5,
  toRatePerS: 20,
  durationS: 20,
  limitS: 60,
};

/** The form's numbers live in the address. */
export function useLoad(): readonly [Load, (load: Load) => void] {
  const [text, setText] = useUrlState("load", JSON.stringify(USUAL));
  // A link may have been cut short.
  const load = { ...USUAL, ...(parsedJson(text) as Partial<Load> | undefined) };
  return [load, (next) => setText(JSON.stringify(next))];
}

/**
 * Null where there is no scenario, or its workload is a file of arrivals. A scenario whose clients give up by
 * themselves keeps them.
 */
export function workloadOf(load: Load, scenario: Workload | null): Workload | null {
  const arrivals = arrivalsOf(load, scenario);
  return arrivals === null ? null : { client: { timeoutMs: load.limitS * 1000 }, ...arrivals };
}

function arrivalsOf(load: Load, scenario: Workload | null): Workload | null {
  const { shape, n, clients, ratePerS, toRatePerS, durationS } = load;
  switch (shape) {
    case "burst":
      return { arrivals: "burst", requests: n };
    case "closed":
      return { arrivals: "closed", clients, requests: n };
    case "poisson":
      return { arrivals: "poisson", ratePerS, durationS };
    case "ramp":
      return {
        arrivals: "ramp",
        rates: [
          { atS: 0, ratePerS },
          { atS: durationS, ratePerS: toRatePerS },
        ],
        durationS,
      };
    case "scenario":
      return scenario === null || scenario.arrivals === "trace" ? null : scenario;
  }
}

/** The number of requests, where the form tells it. */
export function requestsOf({ shape, n, ratePerS, toRatePerS, durationS }: Load): number | null {
  if (shape === "burst" || shape === "closed") return n;
  if (shape === "poisson") return ratePerS * durationS;
  return shape === "ramp" ? ((ratePerS + toRatePerS) / 2) * durationS : null;
}

/** A picture or a text to send. */
export interface Picture {
  /** A text is its own. */
  readonly name: string;
  /** In base64, as it is sent. */
  readonly data: string;
  /** An address that an image element takes; null for a text. */
  readonly source: string | null;
  readonly truth: Pick<Scene, "car" | "plate"> | null;
}

/** The server takes 32 MiB of JSON; base64 is a third longer than its bytes. */
const MOST_BYTES = 20 * 1024 * 1024;
const MOST_PICTURES = 64;

/** Rejects with a ServerError where the server draws none. */
export async function drawnScenes(client: Client): Promise<Picture[]> {
  const { scenes } = await client.json<{ scenes: Scene[] }>("/v1/scenes");
  return scenes.map(({ png, car, plate }, i) => ({
    name: plate === null ? `scene ${i + 1}, no car` : `scene ${i + 1}, ${plate}`,
    data: png,
    source: `data:image/png;base64,${png}`,
    truth: { car, plate },
  }));
}

/** By its id in the form: what the models of a deployment's pipeline usually read. */
export function usualContents(
  deployed: Deployed | null,
  model: string,
): "none" | "text" | "scenes" {
  if (deployed === null) return "none";
  const tasks = Object.values(deployed.document.pipelines[model]?.tasks ?? {});
  return tasks.some(({ tokens }) => tokens !== undefined) ? "text" : "scenes";
}

/** To send where nobody chose: a text for a language model, else pictures. */
export async function usualToSend(
  client: Client,
  deployed: Deployed | null,
  model: string,
): Promise<Picture[]> {
  if (usualContents(deployed, model) === "text") return [textToSend(FIRST_TEXT)];
  return drawnScenes(client);
}

export const FIRST_TEXT = "Once upon a time";

export function textToSend(text: string): Picture {
  return { name: text, data: base64(new TextEncoder().encode(text)), source: null, truth: null };
}

/** Rejects with an Error for files that are too large or too many. */
export async function pictureFiles(files: readonly File[]): Promise<Picture[]> {
  if (files.length > MOST_PICTURES) {
    throw new Error(
      `${files.length} files are more than the ${MOST_PICTURES} that are sent in turn`,
    );
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes > MOST_BYTES) {
    const mib = (bytes / 2 ** 20).toFixed(1);
    throw new Error(`the files have ${mib} MiB, more than 20: pick fewer, or scale them down`);
  }
  return Promise.all(
    files.map(async (file) => {
      const data = base64(new Uint8Array(await file.arrayBuffer()));
      // Results show a picture after others were picked, so its address must not end.
      return { name: file.name, data, source: `data:${file.type};base64,${data}`, truth: null };
    }),
  );
}

const CHUNK = 0x8000;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(text);
}
