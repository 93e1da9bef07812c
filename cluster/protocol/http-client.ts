/** Calls to a gateway's REST side. */
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { text as textOf } from "node:stream/consumers";
import { Fault } from "../../core/fault.ts";
import { type ClientAccess, httpsOptions, NO_ACCESS } from "../security/client-access.ts";

const TIMEOUT_MS = 30_000;

interface JsonAnswer {
  readonly status: number;
  readonly value: Record<string, unknown>;
}

/** Throws Fault("cluster-failure") when nothing answers, or not in JSON. */
export async function getJson(
  url: string,
  access: ClientAccess = NO_ACCESS,
  timeoutMs = TIMEOUT_MS,
): Promise<JsonAnswer> {
  return inJson(url, await send("GET", url, access, null, timeoutMs));
}

export async function postJson(
  url: string,
  body: object,
  access: ClientAccess = NO_ACCESS,
): Promise<JsonAnswer> {
  return inJson(url, await send("POST", url, access, JSON.stringify(body)));
}

/** Throws Fault("cluster-failure") when nothing answers. */
export function deleteAt(url: string, access: ClientAccess = NO_ACCESS) {
  return send("DELETE", url, access);
}

/** The text of a successful answer. Throws Fault("cluster-failure") otherwise. */
export async function getText(url: string, access: ClientAccess = NO_ACCESS): Promise<string> {
  const { status, text } = await send("GET", url, access);
  if (status >= 200 && status < 300) return text;
  throw new Fault("cluster-failure", `GET ${url} was answered ${status}: ${text}`);
}

function inJson(url: string, { status, text }: { status: number; text: string }): JsonAnswer {
  try {
    return { status, value: JSON.parse(text) as Record<string, unknown> };
  } catch (cause) {
    const message = `${url} did not answer in JSON (status ${status})`;
    throw new Fault("cluster-failure", message, { cause });
  }
}

function send(
  method: string,
  url: string,
  access: ClientAccess,
  body: string | null = null,
  timeoutMs = TIMEOUT_MS,
): Promise<{ status: number; text: string }> {
  const headers = {
    ...(access.token === null ? {} : { authorization: `Bearer ${access.token}` }),
    ...(body === null ? {} : { "content-type": "application/json" }),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  const options = { method, headers, signal, ...httpsOptions(access) };
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      const why = signal.aborted ? `no answer within ${timeoutMs / 1000} s` : cause.message;
      const hint = "is a server up there? The address of one with TLS begins with https://";
      reject(new Fault("cluster-failure", `${url} does not answer: ${why}`, { hint, cause }));
    };
    const ask = url.startsWith("https:") ? requestHttps : requestHttp;
    const request = ask(url, options, (answer) => {
      const { statusCode: status = 0 } = answer;
      textOf(answer).then((text) => resolve({ status, text }), fail);
    });
    request.on("error", fail);
    request.end(body ?? undefined);
  });
}
