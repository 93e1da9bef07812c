/** One measurement: requests sent by the server or its proxy, answers read as they come from one stream. */
import type { AnsweredRequest, MeasurementLine } from "../../library/browser.ts";
import type { SchedulerDocument } from "../shared/api.ts";
import { type Client, messageOf } from "../shared/client.ts";
import { Store } from "../shared/store.ts";
import { hasOutputs, RAW_CHARACTERS } from "./answer.ts";
import { measureInPage } from "./measure-in-page.ts";
import type { Picture } from "./pictures.ts";
import type { Request } from "./workload.ts";

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

/**
 * A gateway refuses requests that would wait longer than the latency goal allows. A run around `work` has
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

/** Requests that were given up still run to their end at the server, and a run starts without any. */
async function untilIdle(client: Client): Promise<void> {
  const untilMs = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < untilMs) {
    const { idle } = await client.json<{ readonly idle: boolean }>("/run");
    if (idle) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
