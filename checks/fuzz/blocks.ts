/** Blocks of cases: each has a kind of case, a way to send it, and the allowed answers. */
import fc from "fast-check";
import sharp from "sharp";
import {
  bytes,
  field,
  form,
  framed,
  headerText,
  http2Bytes,
  httpBytes,
  JSON_REQUEST,
  lying,
  MESSAGE,
  METHODS,
  mutated,
  nearlyRight,
  nested,
  overlongFrames,
  word,
} from "./arbitraries.ts";
import {
  type GrpcCase,
  GrpcSender,
  type HttpCase,
  type Outcome,
  sendHttp,
  sendRaw,
} from "./send.ts";
import { ECHO, type FuzzTarget, PICTURE } from "./target.ts";

export interface Block {
  readonly name: string;
  /** Share of all cases. */
  readonly share: number;
  /** Anew for each run, for senders have state. */
  open(target: FuzzTarget): {
    readonly property: fc.Arbitrary<unknown>;
    send(given: never): Promise<Outcome>;
    close(): void;
  };
  /** Whether a connection may be closed without an answer. */
  readonly closing: boolean;
  /** Cases under way together. More where the server takes its time to close a connection. */
  readonly atOnce?: number;
}

const grpc = (
  name: string,
  share: number,
  messages: fc.Arbitrary<Buffer | Uint8Array>,
  paths: readonly string[] = METHODS,
): Block => ({
  name,
  share,
  closing: false,
  open: (target) => {
    const sender = new GrpcSender(target);
    return {
      property: fc.record({ path: fc.constantFrom(...paths), data: messages }),
      send: ({ path, data }: { path: string; data: Uint8Array }) =>
        sender.send({ path, headers: {}, data }),
      close: () => sender.close(),
    };
  },
});

const rest = (
  name: string,
  share: number,
  property: (target: FuzzTarget) => fc.Arbitrary<HttpCase>,
): Block => ({
  name,
  share,
  closing: false,
  open: (target) => ({
    property: property(target),
    send: (given: HttpCase) => sendHttp(target.rest, given),
    close: () => undefined,
  }),
});

const bearer = ({ token }: FuzzTarget) => ({ authorization: `Bearer ${token}` });
const INFER_PATH = `/v2/models/${ECHO}/infer`;
const paths = fc.oneof(
  fc.constantFrom(
    ...[`/v2/models/${ECHO}/infer`, `/v2/models/${ECHO}`, "/v2", "/v2/repository/index"],
    ...["/run", "/status", "/v1/scheduler", "/v1/replicas", "/metrics", "/openapi.json"],
    ...["/../../etc/passwd", "/v2/models/%2e%2e%2f%00/infer", "/v2/models/__proto__", "//", "/%"],
  ),
  word.map((text) => `/v2/models/${encodeURIComponent(text)}/infer`),
);
const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE");
const image = async (): Promise<Uint8Array[]> => {
  const create = { width: 48, height: 32, channels: 3 as const, background: "#c04020" };
  const drawn = sharp({ create });
  return Promise.all([
    drawn.clone().png().toBuffer(),
    drawn.clone().jpeg().toBuffer(),
    drawn.clone().webp().toBuffer(),
  ]);
};

/** A PNG that says it is huge. */
function bomb(width: number, height: number, png: Uint8Array): Uint8Array {
  const copy = Buffer.from(png);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  return copy;
}

export async function blocks(): Promise<readonly Block[]> {
  return [...grpcBlocks(), ...restBlocks(await image())];
}

function grpcBlocks(): readonly Block[] {
  return [
    {
      ...rawBlock("HTTP/2 frames on a raw socket", 0.02, http2Bytes(), "grpc"),
      closing: true,
      atOnce: 250,
    },
    {
      ...rawBlock("HTTP/2 frames too long", 0.005, overlongFrames(), "grpc"),
      closing: true,
      atOnce: 250,
    },
    { ...rawBlock("HTTP/1 requests on a raw socket", 0.12, httpBytes(), "rest"), closing: true },
    { ...rawBlock("HTTP/2 frames at a worker", 0.08, http2Bytes(), "worker"), closing: true },
    grpc(
      "gRPC messages, valid ones changed",
      0.24,
      mutated([MESSAGE]).map((m) => framed(m)),
    ),
    grpc(
      "gRPC messages, random fields",
      0.1,
      fc.array(field, { maxLength: 8 }).map((fields) => framed(Buffer.concat(fields))),
    ),
    grpc(
      "gRPC messages, deeply nested",
      0.02,
      nested.map((m) => framed(m)),
    ),
    grpc(
      "gRPC messages, tensors that lie",
      0.08,
      lying.map((m) => framed(m)),
    ),
    grpc(
      "gRPC messages, tensors that meet in a batch",
      0.08,
      nearlyRight.map((m) => framed(m)),
      METHODS.slice(0, 1),
    ),
    grpc(
      "gRPC frames whose lengths and flags lie",
      0.08,
      fc
        .record({
          message: mutated([MESSAGE]),
          length: fc.nat(),
          flag: fc.nat({ max: 255 }),
          whole: fc.boolean(),
        })
        .map(({ message, length, flag, whole }) =>
          framed(message, whole ? message.length : length, flag),
        ),
    ),
    grpcHeaders(),
  ];
}

function restBlocks(images: readonly Uint8Array[]): readonly Block[] {
  const bombs = [
    bomb(65_535, 65_535, images[0]),
    bomb(0, 1, images[0]),
    bomb(2 ** 31 - 1, 1, images[0]),
  ];
  return [
    rest("JSON bodies", 0.1, (target) =>
      fc.record({
        method: fc.constantFrom("POST", "POST", "POST", "PUT"),
        path: fc.oneof({ weight: 4, arbitrary: fc.constant(INFER_PATH) }, paths),
        headers: fc.constant({ ...bearer(target), "content-type": "application/json" }),
        body: fc.oneof(
          mutated([JSON_REQUEST]),
          fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
          fc.integer({ min: 1, max: 5000 }).map((n) => Buffer.from("[".repeat(n))),
        ),
      }),
    ),
    rest("forms", 0.04, (target) =>
      fc.record({
        method: fc.constant("POST"),
        path: fc.constantFrom(ECHO, PICTURE).map((name) => `/v2/models/${name}/infer`),
        headers: fc
          .oneof(
            fc.constant("x"),
            word.map((text) => text.replace(/[^\w]/g, "")),
          )
          .map((boundary) => ({
            ...bearer(target),
            "content-type": `multipart/form-data; boundary=${boundary}`,
          })),
        body: mutated([form(images[0])]),
      }),
    ),
    rest("headers and tokens", 0.07, () =>
      fc.record({
        ...{ method, path: paths, body: bytes(20) },
        headers: fc
          .record({
            name: fc.constantFrom(
              ...["authorization", "content-type", "accept", "traceparent", "x-request-id"],
              ...["idempotency-key", "request-timeout", "content-encoding", "host", "origin"],
              ...["inference-header-content-length", "expect", "cookie", "range"],
            ),
            value: headerText,
            token: fc.option(headerText),
          })
          .map(({ name, value, token }) => ({
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
            [name]: value,
          })),
      }),
    ),
    rest("pictures", 0.02, (target) =>
      fc.record({
        ...{ method: fc.constant("POST"), path: fc.constant(`/v2/models/${PICTURE}/infer`) },
        headers: fc.constant({ ...bearer(target), "content-type": "image/png" }),
        body: fc.oneof(
          { weight: 8, arbitrary: mutated(images) },
          { weight: 1, arbitrary: fc.constantFrom(...bombs) },
          { weight: 1, arbitrary: bytes(200) },
        ),
      }),
    ),
  ];
}

function rawBlock(
  name: string,
  share: number,
  property: fc.Arbitrary<Uint8Array>,
  side: "rest" | "grpc" | "worker",
): Omit<Block, "closing"> {
  return {
    name,
    share,
    open: (target) => ({
      property,
      send: (given: Uint8Array) => sendRaw(target[side], given, true),
      close: () => undefined,
    }),
  };
}

/** Calls with odd metadata, deadlines, encodings and content types. */
function grpcHeaders(): Block {
  const name = fc.constantFrom(
    ...["grpc-timeout", "grpc-encoding", "authorization", "content-type", "traceparent"],
    ...["x-request-id", "user-agent", "tandem-lean", "junk-bin", "grpc-accept-encoding"],
  );
  const value = fc
    .oneof(fc.constantFrom("gzip", "deflate", "1n", "99999999H", "-5S", "br"), headerText)
    .map((text) => text.trim());
  return {
    name: "gRPC metadata",
    share: 0.03,
    closing: true,
    open: (target) => {
      const sender = new GrpcSender(target);
      return {
        property: fc.record({
          path: fc.constantFrom(...METHODS),
          headers: fc.dictionary(name, value, { minKeys: 1, maxKeys: 3 }),
          flag: fc.constantFrom(0, 1),
        }),
        send: ({ path, headers, flag }: Omit<GrpcCase, "data"> & { flag: number }) =>
          sender.send({ path, headers, data: framed(MESSAGE, MESSAGE.length, flag) }),
        close: () => sender.close(),
      };
    },
  };
}
