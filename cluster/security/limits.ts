/** What one caller may take of the gateway. `docs/security.md` has the same table for people. */

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  /** A gRPC message, or an HTTP body that is no JSON. */
  messageBytes: 64 * MIB,
  /** A JSON body: it takes several times its size while it is read. */
  jsonBytes: 32 * MIB,
  /** Objects and arrays inside one another in a JSON body. */
  jsonDepth: 64,
  /** Objects and arrays in a JSON body, in all. */
  jsonStructures: 1_000_000,
  /** All headers of a request together; more is answered 431. */
  headerBytes: 16 * KIB,
  headers: 100,
  /** Input tensors, and requested outputs, of a request. */
  tensors: 64,
  /** Tensors of a message, which may be a batch of many requests: each becomes an object. */
  batchTensors: 65_536,
  /** Fields of a gRPC message, those of its tensors and parameters included: each becomes an object. */
  messageParts: 1_000_000,
  /** Whole numbers in the typed contents of a gRPC message: each becomes an object. Raw ones have no limit. */
  typedIntegers: 4 * MIB,
  /** Of a batch between gateway and worker, or its answer: many requests of `messageBytes`. */
  batchBytes: 2 ** 31 - 1,
  /** Dimensions of a tensor. */
  rank: 16,
  /** Elements of a BYTES tensor: each becomes an object. */
  bytesElements: 65_536,
  /** Parameters of a request. */
  parameters: 64,
  /** Characters in a name, an id, an idempotency key or a text parameter. */
  nameLength: 1024,
  /** Characters of an error that is told a caller; it may quote what was sent. */
  errorLength: 2000,
  /** Open connections to one server; more are closed at once. */
  connections: 1024,
  /** Calls under way on one connection; more wait at the client (HTTP/2 SETTINGS). */
  streamsPerConnection: 1000,
  /** Memory of one HTTP/2 session, in MB; beyond it new calls are refused. */
  sessionMemoryMb: 128,
  /** Bytes of all requests that are being received, of all callers together. */
  incomingBytes: 256 * MIB,
  /** A connection without a call is closed after this long. */
  connectionIdleMs: 5 * 60_000,
  /** HTTP/2 peers are asked for a sign of life this often, and have so long to give it. */
  keepaliveMs: 30_000,
  keepaliveAnswerMs: 10_000,
} as const;

/** How long a client may take. */
export interface ClientTimes {
  /** From a connection to the end of its TLS handshake, and to its first request's beginning. */
  readonly handshakeMs: number;
  /** From a request's first byte to the end of its headers. */
  readonly headersMs: number;
  /** From a request's beginning to its end, its body included. */
  readonly requestMs: number;
  /** A stream of requests may be silent for this long. */
  readonly streamIdleMs: number;
  /** Until an answer has left; a client that does not read is cut off. */
  readonly writeMs: number;
  /** How often these are looked at. */
  readonly checkMs: number;
}

export const CLIENT_TIMES: ClientTimes = {
  handshakeMs: 10_000,
  headersMs: 10_000,
  requestMs: 30_000,
  streamIdleMs: 10 * 60_000,
  writeMs: 60_000,
  checkMs: 1000,
};
