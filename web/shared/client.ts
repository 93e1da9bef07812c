/**
 * The client of a server: calls with its token, which stays in this page's memory, and the answers as far as the
 * page reads them. `docs/serving.md` describes the routes.
 */
import type { GatewayStatus, KeptScenario } from "../../library/browser.ts";
import { meanOf } from "./format.ts";

/** An answer that is an error, in the server's words. */
export class ServerError extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  readonly hint: string | undefined;

  constructor(status: number, message: string, hint?: string) {
    super(message);
    this.name = "ServerError";
    this.status = status;
    this.hint = hint;
  }
}

export interface Call {
  readonly method?: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Without a whole answer until then, the call fails: `isLate`. */
  readonly limitMs?: number;
}

export class Client {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #token: string | null;

  constructor(url: string, token: string | null) {
    this.url = url.replace(/\/+$/, "");
    this.#token = token;
  }

  /** The answer's JSON. Rejects with a ServerError. */
  async json<Answer>(path: string, call: Call = {}): Promise<Answer> {
    const answer = await this.call(path, call);
    const text = await answer.text();
    const value = text === "" ? null : parsedJson(text);
    if (value !== undefined) return value as Answer;
    throw new ServerError(answer.status, `${path} was not answered in JSON`);
  }

  /** A successful answer. Rejects with a ServerError for every other. */
  async call(path: string, call: Call = {}): Promise<Response> {
    const { method = "GET", body } = call;
    const isBytes = body instanceof Uint8Array;
    const type = isBytes ? "application/octet-stream" : "application/json";
    const headers = {
      ...(body === undefined ? {} : { "content-type": type }),
      ...(this.#token === null ? {} : { authorization: `Bearer ${this.#token}` }),
    };
    const sent = isBytes ? (body as BodyInit) : (JSON.stringify(body) ?? null);
    let answer: Response;
    try {
      const init = { method, headers, body: sent, signal: signalOf(call) };
      answer = await fetch(`${this.url}${path}`, init);
    } catch (error) {
      if (call.signal?.aborted || isLate(error)) throw error;
      throw new ServerError(0, `${this.url} does not answer`, REACH_HINT);
    }
    if (answer.ok) return answer;
    throw await errorOf(answer);
  }
}

function signalOf({ signal, limitMs }: Call): AbortSignal {
  const limit = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  return AbortSignal.any([signal, limit].filter((one) => one !== undefined));
}

/** Whether a call was ended by its time limit. */
export function isLate(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

const REACH_HINT =
  "Is it up? A server that sends no CORS headers needs `tandem web --url ITS-URL` before it.";

async function errorOf(answer: Response): Promise<ServerError> {
  const text = await answer.text();
  const known = parsedJson(text) as { error?: string; hint?: string } | null | undefined;
  if (known === undefined) {
    return new ServerError(answer.status, `status ${answer.status}: ${text.slice(0, 200)}`);
  }
  return new ServerError(answer.status, known?.error ?? `status ${answer.status}`, known?.hint);
}

/** Gives the user a file. */
export function saveFile(name: string, text: string, type: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Undefined where the text is no JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The problem, and what to do about it, as one text. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isLate(error)) return "the server takes calls but does not answer them in time";
  const { message } = error;
  const hint = error instanceof ServerError ? error.hint : undefined;
  return hint === undefined ? message : `${message}. ${hint}`;
}

export interface ServerMetadata {
  readonly name: string;
  readonly version?: string;
  /** Ours only: tells one deployment from another. */
  readonly deployment?: string;
}

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (number | string)[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly platform?: string;
  readonly inputs: readonly TensorMetadata[];
}

/** `GET /v1/scenario`. */
export interface Deployed
  extends Pick<
    KeptScenario,
    "document" | "profiles" | "stepProfiles" | "overheadProfile" | "traces" | "traceColumns"
  > {
  /** How many replicas each task can have. */
  readonly room: Readonly<Record<string, number>>;
}

/** A preset's name, or a preset and what replaces parts of it. */
export type SchedulerDocument = string | Readonly<Record<string, unknown>>;

/** `GET /v1/scenes`: drawn pictures whose truth is known. */
export interface Scene {
  /** In base64. */
  readonly png: string;
  readonly car: boolean;
  readonly plate: string | null;
}

/** Names, in the order of the pipeline. */
export function tasksOf({ replicas, tasks }: GatewayStatus): string[] {
  return [...new Set([...tasks.map(({ name }) => name), ...replicas.map(({ task }) => task)])];
}

export function replicasOf({ replicas }: GatewayStatus, task: string): GatewayStatus["replicas"] {
  return replicas.filter((replica) => replica.task === task);
}

/** `detect 2 · plate 1`: replicas that are up. */
export function replicasText(status: GatewayStatus): string {
  return tasksOf(status)
    .map((task) => {
      const up = replicasOf(status, task).filter(({ state }) => state === "up");
      return `${task} ${up.length}`;
    })
    .join(" · ");
}

/** Jobs that wait, in the task's queue and in those of its replicas. */
export function queueOf(status: GatewayStatus, task: string): number {
  const shared = status.tasks.find(({ name }) => name === task)?.queue ?? 0;
  return replicasOf(status, task).reduce((sum, { queue }) => sum + (queue ?? 0), shared);
}

/** Mean utilisation of the task's replicas, 0 to 1; null without any. */
export function utilisationOf(status: GatewayStatus, task: string): number | null {
  return meanOf(replicasOf(status, task).map(({ utilizationRatio }) => utilizationRatio));
}

/** Adds and removes replicas, one after the other, until each task has as many as asked for. */
export async function setReplicas(
  client: Client,
  counts: Readonly<Record<string, number>>,
  signal?: AbortSignal,
): Promise<void> {
  for (const [task, count] of Object.entries(counts)) {
    for (;;) {
      signal?.throwIfAborted();
      const { replicas } = await client.json<{ replicas: { name: string; task: string }[] }>(
        "/v1/replicas",
      );
      const own = replicas.filter((replica) => replica.task === task);
      if (own.length === count) break;
      if (own.length < count) {
        await client.json("/v1/replicas", { method: "POST", body: { task } });
      } else {
        const { name } = own[own.length - 1];
        await client.json(`/v1/replicas/${encodeURIComponent(name)}`, { method: "DELETE" });
      }
    }
  }
}
