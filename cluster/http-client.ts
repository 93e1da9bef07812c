/** Calls to a gateway's REST side. */
import { Fault } from "../core/fault.ts";

const TIMEOUT_MS = 30_000;

export interface JsonAnswer {
  readonly status: number;
  readonly value: Record<string, unknown>;
}

/** Throws Fault("cluster-failure") when nothing answers. */
export function getJson(url: string): Promise<JsonAnswer> {
  return ask(url, {});
}

export function postJson(url: string, body: object): Promise<JsonAnswer> {
  return ask(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** The text of a successful answer. Throws Fault("cluster-failure") otherwise. */
export async function getText(url: string): Promise<string> {
  const response = await send(url, {});
  const text = await response.text();
  if (response.ok) return text;
  throw new Fault("cluster-failure", `GET ${url} was answered ${response.status}: ${text}`);
}

async function ask(url: string, init: RequestInit): Promise<JsonAnswer> {
  const response = await send(url, init);
  return { status: response.status, value: (await response.json()) as Record<string, unknown> };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Fault("cluster-failure", `${url} does not answer`, { cause: error });
  }
}
