/**
 * The connection to the server: what it is, what it offers, and its state once a second. A server that
 * goes away is asked again until it is back; a new deployment at its address is learned anew.
 */
import type { GatewayStatus } from "../../library/browser.ts";
import { Client, type Deployed, messageOf, ServerError, type ServerMetadata } from "./client.ts";
import { Store, useStore } from "./store.ts";

export interface Snapshot {
  /** `looking`: whether the page's own server is one to measure. */
  readonly state: "looking" | "idle" | "connecting" | "connected" | "lost";
  /** Why it is not connected, or what the server refuses. */
  readonly problem: string | null;
  readonly client: Client;
  readonly server: ServerMetadata | null;
  /** Pipelines or models, as far as the server lists them. */
  readonly models: readonly string[];
  /** Whether `POST /v1/measure` is there. */
  readonly measures: boolean;
  /** Null: this server has no such routes, or not for this token. */
  readonly deployed: Deployed | null;
  /** The server asks for a token that the page has not. */
  readonly wantsToken: boolean;
  readonly status: GatewayStatus | null;
  /** Newest last. */
  readonly samples: readonly Sample[];
}

/** A second of the server's life. */
export interface Sample {
  /** Seconds since 1970. */
  readonly atS: number;
  readonly status: GatewayStatus;
}

const POLL_MS = 1000;
/** Time between polls of a server without a status. */
const SLOW_POLL_MS = 4000;
/** A server that takes a call and says nothing is lost after this. */
const LIMIT_MS = 30_000;
/** Samples that charts show: five minutes. */
const KEPT = 300;

class Connection {
  readonly store = new Store<Snapshot>({ ...blank(new Client("", null)), state: "looking" });
  #timer: ReturnType<typeof setTimeout> | undefined;
  #url: string | null = null;
  #token: string | null = null;
  /** Answers for an earlier server or token are ignored. */
  #round = 0;

  /** Connects anew where the address or the token is another. */
  open(url: string, token: string | null): void {
    if (url === this.#url && token === this.#token) return;
    this.#url = url;
    this.#token = token;
    this.store.set(blank(new Client(url, token)));
    void this.#learn(++this.#round);
  }

  /** Asks at once, as after a change. */
  refresh(): void {
    if (this.store.snapshot().deployed !== null) void this.#poll(this.#round);
  }

  async #learn(round: number): Promise<void> {
    if (this.#url === "") return;
    const { client, state } = this.store.snapshot();
    if (state === "idle") this.store.set({ state: "connecting" });
    try {
      const server = await serverOf(client);
      const offers = await offersOf(client);
      if (round !== this.#round) return;
      this.store.set({ state: "connected", problem: null, server, ...offers });
      await this.#poll(round);
    } catch (error) {
      this.#lost(round, error);
    }
  }

  async #poll(round: number): Promise<void> {
    const { client, server, deployed, samples } = this.store.snapshot();
    try {
      const [status, now] = await Promise.all([
        deployed === null ? null : client.json<GatewayStatus>("/status", { limitMs: LIMIT_MS }),
        serverOf(client),
      ]);
      if (round !== this.#round) return;
      if (now.deployment !== server?.deployment) return void this.#learn(round);
      const sample = status === null ? [] : [{ atS: Date.now() / 1000, status }];
      const kept = [...samples.slice(1 - KEPT), ...sample];
      this.store.set({ state: "connected", problem: null, status, samples: kept });
      this.#later(() => this.#poll(round), deployed === null ? SLOW_POLL_MS : POLL_MS);
    } catch (error) {
      this.#lost(round, error);
    }
  }

  #lost(round: number, error: unknown): void {
    if (round !== this.#round) return;
    const { server } = this.store.snapshot();
    this.store.set({ state: server === null ? "connecting" : "lost", problem: messageOf(error) });
    this.#later(() => this.#learn(round), POLL_MS);
  }

  #later(work: () => Promise<void>, ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void work(), ms);
  }
}

let own: Promise<string> | undefined;

/** The page's own address where a gateway or `tandem web` serves it; "" for plain static files. */
export function ownServer(): Promise<string> {
  own ??= findOwnServer();
  return own;
}

async function findOwnServer(): Promise<string> {
  if (!location.protocol.startsWith("http")) return "";
  try {
    const base = new URL(".", location.href).href.replace(/\/$/, "");
    const answer = await fetch(`${base}/app.json`);
    const { kind, server } = (await answer.json()) as { kind: string; server: string | null };
    return kind === "gateway" || server !== null ? base : "";
  } catch {
    return "";
  }
}

/** The one connection of the page, for all its parts. */
export const connection = new Connection();

export function useConnection(): Snapshot {
  return useStore(connection.store);
}

function blank(client: Client): Snapshot {
  return {
    state: "idle",
    problem: null,
    client,
    server: null,
    models: [],
    measures: false,
    deployed: null,
    wantsToken: false,
    status: null,
    samples: [],
  };
}

/** KServe answers at `/v2`, Triton too; some servers only say that they live. */
async function serverOf(client: Client): Promise<ServerMetadata> {
  try {
    return await client.json<ServerMetadata>("/v2", { limitMs: LIMIT_MS });
  } catch (error) {
    if (!(error instanceof ServerError) || error.status !== 404) throw error;
    await client.call("/v2/health/live", { limitMs: LIMIT_MS });
    return { name: "a server of the Open Inference Protocol" };
  }
}

type Offers = Pick<Snapshot, "models" | "measures" | "deployed" | "wantsToken">;

async function offersOf(client: Client): Promise<Offers> {
  let wantsToken = false;
  /** Null: it is not there, or not for us. */
  const asked = async <Answer>(path: string, call = {}): Promise<Answer | null> => {
    try {
      return await client.json<Answer>(path, { ...call, limitMs: LIMIT_MS });
    } catch (error) {
      const { status = 0 } = error as ServerError;
      if (status === 0 || status >= 500) throw error;
      wantsToken ||= status === 401;
      return null;
    }
  };
  const index = { method: "POST", body: {} };
  const [models, deployed, app] = await Promise.all([
    asked<readonly { readonly name: string }[]>("/v2/repository/index", index),
    asked<Deployed>("/v1/scenario"),
    asked<{ readonly kind?: string }>("/app.json"),
  ]);
  const names = new Set((models ?? []).map(({ name }) => name));
  return { models: [...names], deployed, measures: app?.kind !== undefined, wantsToken };
}
