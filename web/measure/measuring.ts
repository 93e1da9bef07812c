/** One measurement: requests sent by the server or its proxy, answers read as they come from one stream. */
import type { AnsweredRequest, MeasurementLine } from "../../library/browser.ts";
import { type Client, messageOf } from "../shared/client.ts";
import { measureInPage } from "./measure-in-page.ts";
import type { Picture, Request } from "./request.ts";

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
  #now: Measured = NOTHING;
  #answers: Answer[] = [];
  #abort: AbortController | null = null;
  #frame = 0;
  readonly #listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Measured => this.#now;

  stop(): void {
    this.#abort?.abort();
  }

  /** Resolves when it has ended; never rejects: `problem` says why it failed. */
  async run(client: Client, measures: boolean, request: Request): Promise<Measured> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    this.#answers = [];
    this.#now = { ...NOTHING, state: "running" };
    this.#tell();
    const { pictures } = request;
    const take = (line: MeasurementLine): void => {
      if (abort !== this.#abort) return;
      if (line.kind === "start") this.#now = { ...this.#now, timedBy: line.timedBy };
      if (line.kind === "beat" || line.kind === "end")
        this.#now = { ...this.#now, sent: line.sent };
      if (line.kind === "error") {
        const problem = line.hint === undefined ? line.error : `${line.error}. ${line.hint}`;
        this.#now = { ...this.#now, state: "failed", problem };
      }
      if (line.kind === "answer") this.#take(line, pictures);
      this.#soon();
    };
    try {
      if (measures) await stream(client, request, abort.signal, take);
      else await measureInPage(client, request, abort.signal, take);
      if (this.#now.state === "running") this.#end(abort, "done", null);
    } catch (error) {
      if (abort.signal.aborted) this.#end(abort, "stopped", null);
      else this.#end(abort, "failed", messageOf(error));
    }
    if (abort === this.#abort) this.#tell();
    return this.#now;
  }

  #take(line: AnsweredRequest, pictures: readonly Picture[]): void {
    const picture = line.payload === null ? null : (pictures[line.payload] ?? null);
    this.#answers.push({ ...line, latencyMs: line.endedMs - line.dueMs, picture });
  }

  #end(abort: AbortController, state: Measured["state"], problem: string | null): void {
    if (abort === this.#abort) this.#now = { ...this.#now, state, problem };
  }

  /** Many answers may come between two frames. */
  #soon(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => this.#tell());
  }

  #tell(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const answers = [...this.#answers];
    this.#now = { ...this.#now, answers, sent: Math.max(this.#now.sent, answers.length) };
    for (const listener of this.#listeners) listener();
  }
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
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) {
      const line = JSON.parse(text) as MeasurementLine;
      over ||= line.kind === "end" || line.kind === "error";
      take(line);
    }
  }
  if (!over) throw new Error("the server ended before the measurement did");
}
