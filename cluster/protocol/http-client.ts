/** Calls to a gateway's REST side. */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { Fault } from "../../core/fault.ts";
import { type ClientAccess, httpsOptions, NO_ACCESS } from "../security/client-access.ts";

const TIMEOUT_MS = 30_000;

interface JsonAnswer {
  readonly status: number;
  readonly value: Record<string, unknown>;
}

/** Throws Fault("cluster-failure") when nothing answers, or not in JSON. */
export function getJson(
  url: string,
  access: ClientAccess = NO_ACCESS,
  timeoutMs = TIMEOUT_MS,
): Promise<JsonAnswer> {
  return ask(url, access, null, timeoutMs);
}

export function postJson(
  url: string,
  body: object,
  access: ClientAccess = NO_ACCESS,
): Promise<JsonAnswer> {
  return ask(url, access, JSON.stringify(body));
}

/** Throws Fault("cluster-failure") when nothing answers. */
export async function deleteAt(
  url: string,
  access: ClientAccess = NO_ACCESS,
): Promise<{ readonly status: number; readonly text: string }> {
  return send(url, access, null, TIMEOUT_MS, "DELETE");
}

/** The text of a successful answer. Throws Fault("cluster-failure") otherwise. */
export async function getText(url: string, access: ClientAccess = NO_ACCESS): Promise<string> {
  const { status, text } = await send(url, access, null);
  if (status >= 200 && status < 300) return text;
  throw new Fault("cluster-failure", `GET ${url} was answered ${status}: ${text}`);
}

async function ask(
  url: string,
  access: ClientAccess,
  body: string | null,
  timeoutMs?: number,
): Promise<JsonAnswer> {
  const { status, text } = await send(url, access, body, timeoutMs);
  try {
    return { status, value: JSON.parse(text) as Record<string, unknown> };
  } catch (cause) {
    throw new Fault("cluster-failure", `${url} did not answer in JSON (status ${status})`, {
      cause,
    });
  }
}

function send(
  url: string,
  access: ClientAccess,
  body: string | null,
  timeoutMs = TIMEOUT_MS,
  method = body === null ? "GET" : "POST",
): Promise<{ status: number; text: string }> {
  const headers = {
    ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
    ...(body === null ? {} : { "content-type": "application/json" }),
  };
  const options = {
    method,
    headers,
    signal: AbortSignal.timeout(timeoutMs),
    ...httpsOptions(access),
  };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      const why = options.signal.aborted ? `no answer within ${timeoutMs / 1000} s` : cause.message;
      reject(new Fault("cluster-failure", `${url} does not answer: ${why}`, { cause }));
    };
    const request = (url.startsWith("https:") ? requestHttps : requestHttp)(
      url,
      options,
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", fail);
        answer.on("end", () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        );
      },
    );
    request.on("error", fail);
    request.end(body ?? undefined);
  });
}
