/** One measurement: requests sent by the server, its proxy or the page, and answers as they come. */
import type { AnsweredRequest, MeasurementLine } from "../../library/browser.ts";
import {
  type Call,
  type Client,
  isLate,
  type ModelMetadata,
  messageOf,
  type SchedulerDocument,
} from "../shared/client.ts";
import { Store } from "../shared/store.ts";
import { hasOutputs, RAW_CHARACTERS } from "./answer.ts";
import type { Picture, Request } from "./requests.ts";

export interface Answer extends AnsweredRequest {
  readonly latencyMs: number;
  readonly picture: Picture | null;
}

export interface Measured {
  readonly state: "none" | "running" | "done" | "stopped" | "failed";
  /** Newest last. */
  readonly answers: readonly Answer[];
  readonly sent: number;
  /** Where the times were taken, in words. */
  readonly timedBy: string;
  readonly problem: string | null;
}

const NOTHING: Measured = { state: "none", answers: [], sent: 0, timedBy: "", problem: null };

/** The page's measurement: at most one runs. */
export class Measuring {
  readonly store = new Store<Measured>(NOTHING);
  #answers: Answer[] = [];
  #abort: AbortController | null = null;

  stop(): void {
    this.#abort?.abort();
  }

  /** Resolves when it has ended; never rejects: `problem` says why it failed. */
  async run(client: Client, measures: boolean, request: Request): Promise<Measured> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#answers = [];
    this.store.set({ ...NOTHING, state: "running" });
    const take = (line: MeasurementLine): void => {
      if (abort === this.#abort)
        this.store.setSoon(this.#heard(line, request.pictures), this.#taken);
    };
    try {
      if (measures) await stream(client, request, abort.signal, take);
      else await measureInPage(client, request, abort.signal, take);
      if (this.store.snapshot().state === "running") this.#end(abort, "done", null);
    } catch (error) {
      if (abort.signal.aborted) this.#end(abort, "stopped", null);
      else this.#end(abort, "failed", messageOf(error));
    }
    if (abort === this.#abort) this.store.set(this.#taken());
    return this.store.snapshot();
  }

  #heard(line: MeasurementLine, pictures: readonly Picture[]): Partial<Measured> {
    switch (line.kind) {
      case "start":
        return { timedBy: line.timedBy };
      case "answer": {
        const picture = line.payload === null ? null : (pictures[line.payload] ?? null);
        const latencyMs = line.endedMs - line.dueMs;
        this.#answers.push({ ...line, ...wrongBody(line), latencyMs, picture });
        return {};
      }
      case "error": {
        const problem = line.hint === undefined ? line.error : `${line.error}. ${line.hint}`;
        return { state: "failed", problem };
      }
      default:
        return { sent: line.sent };
    }
  }

  #end(abort: AbortController, state: Measured["state"], problem: string | null): void {
    if (abort === this.#abort) this.store.setSoon({ state, problem });
  }

  /** Copied once a frame: many answers may come between two. */
  readonly #taken = (): Partial<Measured> => {
    const answers = [...this.#answers];
    return { answers, sent: Math.max(this.store.snapshot().sent, answers.length) };
  };
}

function wrongBody({ outcome, body }: AnsweredRequest): Partial<AnsweredRequest> {
  if (outcome !== "completed" || body === undefined || hasOutputs(body)) return {};
  const error = `the answer has no outputs: ${body.slice(0, RAW_CHARACTERS)}`;
  return { outcome: "failed", error };
}

/** Reads the answers of `POST /v1/measure`, line by line. Rejects where the connection breaks. */
async function stream(
  client: Client,
  { model, workload, pictures }: Request,
  signal: AbortSignal,
  take: (line: MeasurementLine) => void,
): Promise<void> {
  const payloads = pictures.map(({ data }) => data);
  const body = { model, workload, payloads };
  const answer = await client.call("/v1/measure", { method: "POST", body, signal });
  const reader = (answer.body as ReadableStream<Uint8Array>)
    .pipeThrough(new TextDecoderStream() as unknown as TransformStream<Uint8Array, string>)
    .getReader();
  let rest = "";
  let over = false;
  for (;;) {
    const { done, value } = await reader.read().catch((error: Error) => {
      throw signal.aborted ? error : new Error(BROKEN);
    });
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = JSON.parse(text) as MeasurementLine;
      over ||= line.kind === "end" || line.kind === "error";
      take(line);
    }
  }
  if (!over) throw new Error(BROKEN);
}

const BROKEN = "the server went away before the measurement ended: the answers that came are below";

const AT_ONCE = 6;

interface PageWorkload {
  readonly requests?: number;
  readonly clients?: number;
  readonly client?: { readonly timeoutMs: number };
}

/**
 * Measures from the page itself, for a server without `POST /v1/measure`. A browser opens six HTTP/1.1
 * connections to a server, so no more than six requests are in flight and the page says so.
 */
async function measureInPage(
  client: Client,
  { model, workload, pictures }: Request,
  signal: AbortSignal,
  take: (line: MeasurementLine) => void,
): Promise<void> {
  const { requests, clients = AT_ONCE, client: own } = workload as PageWorkload;
  if (requests === undefined) {
    throw new Error(
      "this page sends only all at once, or a closed loop: a browser's timers are not exact. " +
        "`tandem web --url ITS-URL` sends the others",
    );
  }
  const path = `/v2/models/${encodeURIComponent(model)}`;
  const limits = { signal, ...(own === undefined ? {} : { limitMs: own.timeoutMs }) };
  const metadata = await client.json<ModelMetadata>(path, limits);
  const bodies = bodiesOf(
    metadata,
    pictures.map(({ data }) => data),
  );
  const lanes = Math.min(AT_ONCE, clients, requests);
  take({
    kind: "start",
    timedBy: `this page, over ${lanes} connections of the browser: a seventh request would wait here`,
  });
  const startMs = performance.now();
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < requests && !signal.aborted) {
      const request = sent++;
      const payload = pictures.length === 0 ? null : request % pictures.length;
      const sentMs = performance.now() - startMs;
      const told = await ask(client, `${path}/infer`, bodies[request % bodies.length], limits);
      const endedMs = performance.now() - startMs;
      take({ kind: "answer", request, payload, dueMs: sentMs, sentMs, endedMs, ...told });
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  signal.throwIfAborted();
  take({ kind: "end", sent, delayP99Ms: 0 });
}

async function ask(client: Client, path: string, body: unknown, limits: Call) {
  try {
    const answer = await client.call(path, { method: "POST", body, ...limits });
    return { outcome: "completed", body: await answer.text() } as const;
  } catch (error) {
    if (isLate(error)) {
      const error = `no answer within ${(limits.limitMs ?? 0) / 1000} s`;
      return { outcome: "timed out", error } as const;
    }
    return { outcome: "failed", error: messageOf(error) } as const;
  }
}

/** A Tandem pipeline takes a picture as it is; other models get zeros in their inputs' shapes. */
function bodiesOf({ platform, inputs }: ModelMetadata, payloads: readonly string[]): unknown[] {
  if (platform === "tandem_pipeline" && payloads.length > 0) {
    return payloads.map((text) =>
      Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
    );
  }
  const tensors = inputs.map(({ name, datatype, shape: asked }) => {
    const shape = asked.map((size) => Math.max(1, Number(size)));
    const length = shape.reduce((product, size) => product * size, 1);
    const element = datatype === "BYTES" ? "text" : datatype === "BOOL" ? false : 0;
    return { name, datatype, shape, data: new Array(length).fill(element) };
  });
  return [{ inputs: tensors }];
}

/**
 * A gateway refuses requests that would wait longer than the SLO allows. A run around `work` has
 * no such bound; the next run has it again. Rejects with a ServerError where requests are under way: a
 * run starts without any.
 */
export async function inOpenQueue<Result>(
  client: Client,
  work: () => Promise<Result>,
): Promise<Result> {
  const { scheduler } = await client.json<{ scheduler: SchedulerDocument }>("/v1/scheduler");
  const start = (boundQueue: boolean): Promise<unknown> =>
    client.json("/run", { method: "POST", body: { seed: "web", scheduler, boundQueue } });
  await start(false);
  try {
    return await work();
  } finally {
    await untilIdle(client)
      .then(() => start(true))
      .catch(() => undefined);
  }
}

const LONGEST_WAIT_MS = 60_000;

/** Requests that were given up still run to their end at the server. Waits a minute for them at most. */
export async function untilIdle(client: Client): Promise<void> {
  const untilMs = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < untilMs) {
    const { idle } = await client.json<{ readonly idle: boolean }>("/run");
    if (idle) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
