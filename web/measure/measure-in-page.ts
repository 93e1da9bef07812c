/**
 * Measures from the page itself, for a server without `POST /v1/measure`. A browser opens six HTTP/1.1
 * connections to a server, so no more than six requests are in flight and the page says so.
 */
import type { AnsweredRequest, MeasurementLine } from "../../library/browser.ts";
import type { ModelMetadata } from "../shared/api.ts";
import { type Call, type Client, isLate, messageOf } from "../shared/client.ts";
import type { Request } from "./workload.ts";

const AT_ONCE = 6;

interface PageWorkload {
  readonly requests?: number;
  readonly clients?: number;
  readonly client?: { readonly timeoutMs: number };
}

export async function measureInPage(
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

type Told = Pick<AnsweredRequest, "outcome" | "error" | "body">;

async function ask(client: Client, path: string, body: unknown, limits: Call): Promise<Told> {
  try {
    const answer = await client.call(path, { method: "POST", body, ...limits });
    return { outcome: "completed", body: await answer.text() };
  } catch (error) {
    if (isLate(error)) {
      return { outcome: "timed out", error: `no answer within ${(limits.limitMs ?? 0) / 1000} s` };
    }
    return { outcome: "failed", error: messageOf(error) };
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
