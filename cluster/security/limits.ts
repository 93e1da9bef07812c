/** Limits of the gateway's callers; `docs/security.md` has the same table. */
import { Fault } from "../../engine/basics/fault.ts";
import type { Refusals } from "./refusals.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  /** A gRPC message, or an HTTP body that is no JSON. */
  messageBytes: 64 * MIB,
  /** A JSON body: parsing takes several times its size. */
  jsonBytes: 32 * MIB,
  /** Objects and arrays inside one another in a JSON body. */
  jsonDepth: 64,
  /** Objects and arrays in a JSON body, in all. */
  jsonStructures: 1_000_000,
  /** All headers of a request together; beyond, the answer is 431. */
  headerBytes: 16 * KIB,
  headers: 100,
  /** Input tensors, and requested outputs, of a request. */
  tensors: 64,
  /** Tensors of a message, which may be a batch of many requests. */
  batchTensors: 65_536,
  /** Fields of a gRPC message with those of its tensors and parameters: each becomes an object. */
  messageParts: 1_000_000,
  /** Integers in the typed contents of a gRPC message: each becomes an object. */
  typedIntegers: 4 * MIB,
  /** A batch between gateway and worker, or its answer: many requests of `messageBytes`. */
  batchBytes: 2 ** 31 - 1,
  /** Dimensions of a tensor. */
  rank: 16,
  /** Elements of a BYTES tensor: each becomes an object. */
  bytesElements: 65_536,
  /** Parameters of a request. */
  parameters: 64,
  /** Characters in a name, an id, an idempotency key or a text parameter. */
  nameLength: 1024,
  /** Characters of an error message for a caller; it may quote the request. */
  errorLength: 2000,
  /** Open connections to one server; it closes further ones at once. */
  connections: 1024,
  /** Those of one address, unless told otherwise: a proxy's callers share one. */
  connectionsPerAddress: 100,
  /** Open calls of one connection; further calls wait at the client (HTTP/2 SETTINGS). */
  streamsPerConnection: 1000,
  /** Memory of one HTTP/2 session, in MB; beyond, it refuses new calls. */
  sessionMemoryMb: 128,
  /** Bytes of all requests that are being received, of all callers together. */
  incomingBytes: 256 * MIB,
  /** A connection without a call is closed after this time. */
  connectionIdleMs: 5 * 60_000,
  /** Interval of HTTP/2 pings, and the time for their answers. */
  keepaliveMs: 30_000,
  keepaliveAnswerMs: 10_000,
} as const;

/** Time limits for clients. */
export const CLIENT_TIMES = {
  /** From the connection to the end of its TLS handshake, and to its first request. */
  handshakeMs: 10_000,
  /** From a request's first byte to the end of its headers, and of its body. */
  headersMs: 10_000,
  requestMs: 30_000,
  /** A connection over HTTP/1 without a request. */
  idleMs: 60_000,
  /** Between two requests on a stream. */
  streamIdleMs: 10 * 60_000,
  /** For an answer to leave; the server cuts a client off that does not read. */
  writeMs: 60_000,
  /** Interval of the checks over HTTP/1. */
  checkMs: 1000,
};

export type ClientTimes = Readonly<typeof CLIENT_TIMES>;

/** The limits of one server, for all its callers. */
export interface CallerBounds {
  readonly times: ClientTimes;
  /** A new request's share of the bytes that are being received. */
  readonly incoming: () => Share;
  readonly connectionsPerAddress: number;
  readonly refusals: Refusals;
}

/** When a refused caller tries again, where nothing tells when there is room. */
export const RETRY_AFTER_MS = 1000;

/** One request's share of the bytes that are being received. */
export interface Share {
  /** Throws Fault("overloaded") beyond the limit for all requests together. */
  take(bytes: number): void;
  /** Called when the request is complete, or has failed. */
  giveBack(): void;
}

/**
 * Shares of the bytes of incomplete requests, of `most` over REST and gRPC together: a thousand callers may
 * send at once.
 */
export function incomingShares(most: number): () => Share {
  let bytes = 0;
  return () => {
    let own = 0;
    return {
      take(more) {
        if (bytes + more > most) {
          const message = `requests of ${bytes} bytes are being received already`;
          const hint = "try again, or send smaller ones";
          throw new Fault("overloaded", message, { hint, retryAfterMs: RETRY_AFTER_MS });
        }
        own += more;
        bytes += more;
      },
      giveBack() {
        bytes -= own;
        own = 0;
      },
    };
  };
}
