/** Calls to the server, with its token, which stays in this page's memory. */

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
    if (text === "") return null as Answer;
    try {
      return JSON.parse(text) as Answer;
    } catch {
      throw new ServerError(answer.status, `${path} was not answered in JSON`);
    }
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
  try {
    const { error, hint } = JSON.parse(text) as { error?: string; hint?: string };
    return new ServerError(answer.status, error ?? `status ${answer.status}`, hint);
  } catch {
    return new ServerError(answer.status, `status ${answer.status}: ${text.slice(0, 200)}`);
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
