/** What is sent, block by block: each a kind of case, how it is sent, and what may be answered. */
import fc from "fast-check";
import sharp from "sharp";
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import { encodeInferRequest } from "../protocol/infer-codec.ts";
import type { ModelInferRequest } from "../protocol/messages.ts";
import { mutated } from "./mutation.ts";
import { GrpcSender, type HttpCase, type Outcome, sendHttp, sendRaw } from "./send.ts";
import { ECHO, type FuzzTarget, PICTURE } from "./target.ts";

export interface Block {
  readonly name: string;
  /** Of all cases. */
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

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const word = fc.string({ maxLength: 24 });
/** Without line ends, which would be other headers. */
const headerText = fc
  .string({ unit: "binary-ascii", maxLength: 200 })
  .map((text) => text.replace(/[\r\n\0]/g, " "));

const REQUEST: ModelInferRequest = (() => {
  const { tensor, raw } = bytesTensor("payload", [Buffer.from("some payload")]);
  const parameters = { deadline_ms: { int64Param: 5000 }, note: { stringParam: "x" } };
  return {
    ...{ modelName: ECHO, id: "7", parameters },
    ...{ inputs: [tensor], outputs: [{ name: "output" }], rawInputContents: [raw] },
  };
})();
export const MESSAGE = encodeInferRequest(REQUEST);
const JSON_REQUEST = Buffer.from(
  JSON.stringify({
    id: "7",
    parameters: { deadline_ms: 5000 },
    inputs: [{ name: "payload", datatype: "BYTES", shape: [1], data: ["c29tZSBwYXlsb2Fk"] }],
  }),
);
const SERVICE = "/inference.GRPCInferenceService";
const METHODS = [
  ...["ModelInfer", "ModelStreamInfer", "ModelMetadata", "ModelReady", "ServerLive"],
  ...["ModelConfig", "ModelStatistics", "RepositoryIndex", "ServerMetadata", "NoSuchMethod"],
].map((name) => `${SERVICE}/${name}`);
METHODS.push("/grpc.health.v1.Health/Check");

/** gRPC's five bytes before a message. */
export function framed(message: Uint8Array, length = message.length, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(length >>> 0, 1);
  return Buffer.concat([head, message]);
}

function varint(value: number): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...out, rest];
    out.push((rest % 128) | 128);
  }
}

const field = fc
  .record({
    number: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat()),
    type: fc.integer({ min: 0, max: 7 }),
    length: fc.option(fc.nat()),
    body: bytes(40),
  })
  .map(({ number, type, length, body }) =>
    Buffer.from([
      ...varint(number * 8 + type),
      ...(type === 2 ? varint(length ?? body.length) : []),
      ...body,
    ]),
  );
/** Messages within messages, many levels deep. */
const nested = fc
  .tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 8 }))
  .map(([levels, number]) => {
    let message = Buffer.from([8, 1]);
    for (let i = 0; i < levels; i++) {
      message = Buffer.concat([Buffer.from([number * 8 + 2, ...varint(message.length)]), message]);
    }
    return message;
  });
/** Well-formed requests whose tensors are not what they say. */
const lying = fc
  .record({
    modelName: fc.constantFrom(
      ECHO,
      PICTURE,
      "",
      "../../etc/passwd",
      "__proto__",
      "x".repeat(2000),
    ),
    datatype: fc.constantFrom("BYTES", "FP32", "INT8", "BOOL", "FP16", "", "bytes"),
    shape: fc.array(fc.oneof(fc.integer({ min: -2, max: 4 }), fc.maxSafeInteger()), {
      maxLength: 20,
    }),
    raw: fc.array(bytes(40), { maxLength: 4 }),
    name: fc.oneof(fc.constantFrom("payload", "index", "upstream"), word),
    deadline: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1)),
    key: word,
  })
  .map(({ modelName, datatype, shape, raw, name, deadline, key }) =>
    encodeInferRequest({
      modelName,
      parameters: {
        deadline_ms: { int64Param: deadline },
        idempotency_key: { stringParam: key },
        scheduler: { stringParam: key },
        index: { int64Param: deadline },
      },
      inputs: [{ name, datatype, shape }],
      rawInputContents: raw,
    }),
  );

const grpc = (name: string, share: number, messages: fc.Arbitrary<Buffer | Uint8Array>): Block => ({
  name,
  share,
  closing: false,
  open: (target) => {
    const sender = new GrpcSender(target);
    return {
      property: fc.record({ path: fc.constantFrom(...METHODS), data: messages }),
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
  const images = await image();
  const bombs = [
    bomb(65_535, 65_535, images[0]),
    bomb(0, 1, images[0]),
    bomb(2 ** 31 - 1, 1, images[0]),
  ];
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
      0.16,
      lying.map((m) => framed(m)),
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
  side: "rest" | "grpc",
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
        send: ({
          path,
          headers,
          flag,
        }: {
          path: string;
          headers: Record<string, string>;
          flag: number;
        }) => sender.send({ path, headers, data: framed(MESSAGE, MESSAGE.length, flag) }),
        close: () => sender.close(),
      };
    },
  };
}

function form(png: Uint8Array): Buffer {
  const head = '--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n';
  return Buffer.concat([
    Buffer.from(`${head}content-type: image/png\r\n\r\n`),
    png,
    Buffer.from("\r\n--x--\r\n"),
  ]);
}

function httpBytes(): fc.Arbitrary<Uint8Array> {
  const valid = [
    `POST /v2/models/${ECHO}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${JSON_REQUEST.length}\r\n\r\n${JSON_REQUEST}`,
    `POST /v2/models/${ECHO}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    "GET /run HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(300)}\r\n`,
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ].map((text) => Buffer.from(text));
  return fc.oneof({ weight: 9, arbitrary: mutated(valid) }, { weight: 1, arbitrary: bytes(300) });
}

/** Announces more than it has, or than is allowed: then the rest is waited for, for a while. */
function overlongFrames(): fc.Arbitrary<Uint8Array> {
  return fc.nat({ max: 2 ** 24 - 1 }).map((length) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(length, 0, 3);
    return Buffer.concat([PREFACE, SETTINGS, head]);
  });
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

function http2Bytes(): fc.Arbitrary<Uint8Array> {
  const frame = fc
    .record({
      type: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat({ max: 255 })),
      flags: fc.nat({ max: 255 }),
      stream: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.nat()),
      body: bytes(60),
    })
    .map(({ type, flags, stream, body }) => {
      const head = Buffer.alloc(9);
      head.writeUIntBE(body.length, 0, 3);
      head[3] = type;
      head[4] = flags;
      head.writeUInt32BE(stream >>> 0, 5);
      return Buffer.concat([head, body]);
    });
  return fc
    .record({ preface: fc.nat({ max: 9 }), frames: fc.array(frame, { maxLength: 12 }) })
    .map(({ preface, frames }) =>
      Buffer.concat([...(preface === 0 ? [] : [PREFACE, SETTINGS]), ...frames]),
    );
}
