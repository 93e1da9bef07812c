/** The parts of hostile input. */
import fc from "fast-check";
import { encodeInferRequest } from "../../cluster/protocol/infer-codec.ts";
import type { ModelInferRequest } from "../../cluster/protocol/messages.ts";
import { bytesTensor } from "../../cluster/protocol/tensors.ts";
import { ECHO, PICTURE, SUM } from "./target.ts";

export const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
export function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

export const word = fc.string({ maxLength: 24 });
/** Without line ends, which would be other headers. */
export const headerText = fc
  .string({ unit: "binary-ascii", maxLength: 200 })
  .map((text) => text.replace(/[\r\n\0]/g, " "));

const REQUEST: ModelInferRequest = (() => {
  const { tensor, raw } = bytesTensor("payload", [Buffer.from("some payload")]);
  const parameters = { deadline_ms: { int64Param: 5000 }, note: { stringParam: "x" } };
  return {
    modelName: ECHO,
    id: "7",
    parameters,
    inputs: [tensor],
    outputs: [{ name: "output" }],
    rawInputContents: [raw],
  };
})();
export const MESSAGE = encodeInferRequest(REQUEST);
export const JSON_REQUEST = Buffer.from(
  JSON.stringify({
    id: "7",
    parameters: { deadline_ms: 5000 },
    inputs: [{ name: "payload", datatype: "BYTES", shape: [1], data: ["c29tZSBwYXlsb2Fk"] }],
  }),
);
const SERVICE = "/inference.GRPCInferenceService";
export const METHODS = [
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

export const field = fc
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
export const nested = fc
  .tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 8 }))
  .map(([levels, number]) => {
    let message = Buffer.from([8, 1]);
    for (let i = 0; i < levels; i++) {
      message = Buffer.concat([Buffer.from([number * 8 + 2, ...varint(message.length)]), message]);
    }
    return message;
  });
/** Well-formed requests whose tensors are not what they say. */
export const lying = fc
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

/** With nothing in them, of no size, or of another rank. */
const ODD_SHAPES = [
  [2 ** 40, 0],
  [0, 2 ** 40],
  [2 ** 20, 0],
  [-1, 2],
  [-1, -2],
  [2],
  [],
  [1, 2, 1],
];
const modelShape = fc.oneof(
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 3 }).map((rows) => [rows, 2]) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_SHAPES) },
);

/** One of a model's tensors, mostly as it takes it and as the others are. */
const nearly = (name: string, shape: readonly number[]) =>
  fc.record({
    name: mostly(fc.constant(name), word),
    datatype: mostly(fc.constant("FP32"), fc.constantFrom("INT32", "BYTES", "BF16", "")),
    shape: mostly<readonly number[]>(fc.constant(shape), modelShape),
    off: mostly(fc.constant(0), fc.integer({ min: -8, max: 8 })),
  });

/** Requests for a model that batches, each a little wrong or not at all. */
export const nearlyRight = modelShape
  .chain((shape) =>
    fc.tuple(nearly("a", shape), nearly("b", shape), mostly(fc.constant(null), nearly("b", shape))),
  )
  .map(([a, b, more]) => {
    const given = more === null ? [a, b] : [a, b, more];
    return encodeInferRequest({
      modelName: SUM,
      inputs: given.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      rawInputContents: given.map(({ shape, off }) => {
        const elements = Math.abs(shape.reduce((product, size) => product * size, 1));
        return new Uint8Array(Math.max(0, Math.min(4 * elements, 1000) + off));
      }),
    });
  });

export function form(png: Uint8Array): Buffer {
  const head = '--x\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n';
  return Buffer.concat([
    Buffer.from(`${head}content-type: image/png\r\n\r\n`),
    png,
    Buffer.from("\r\n--x--\r\n"),
  ]);
}

export function httpBytes(): fc.Arbitrary<Uint8Array> {
  const valid = [
    `POST /v2/models/${ECHO}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: ${JSON_REQUEST.length}\r\n\r\n${JSON_REQUEST}`,
    `POST /v2/models/${ECHO}/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    "GET /run HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    `GET / HTTP/1.1\r\n${"X: y\r\n".repeat(300)}\r\n`,
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  ].map((text) => Buffer.from(text));
  return mostly(mutated(valid), bytes(300));
}

function http2Frame(length: number, type = 0, flags = 0, stream = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return head;
}

/** The preface of a connection, and empty settings. */
const GREETING = Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), http2Frame(0, 4)]);

/** Announces more than it has, or than is allowed: then the rest is waited for, for a while. */
export function overlongFrames(): fc.Arbitrary<Uint8Array> {
  return fc
    .nat({ max: 2 ** 24 - 1 })
    .map((length) => Buffer.concat([GREETING, http2Frame(length)]));
}

export function http2Bytes(): fc.Arbitrary<Uint8Array> {
  const frame = fc
    .record({
      type: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.nat({ max: 255 })),
      flags: fc.nat({ max: 255 }),
      stream: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.nat()),
      body: bytes(60),
    })
    .map(({ type, flags, stream, body }) =>
      Buffer.concat([http2Frame(body.length, type, flags, stream), body]),
    );
  return fc
    .tuple(
      mostly(fc.constant(GREETING), fc.constant(Buffer.of())),
      fc.array(frame, { maxLength: 12 }),
    )
    .map(([greeting, frames]) => Buffer.concat([greeting, ...frames]));
}

const change = fc.record({
  /** The place, as a share of the length. */
  at: fc.double({ min: 0, max: 0.999, noNaN: true }),
  removed: fc.oneof(fc.constantFrom(0, 1, Number.POSITIVE_INFINITY), fc.nat({ max: 64 })),
  added: fc.oneof(
    fc.constantFrom(0, 1, 0x7f, 0x80, 0xff).map((byte) => Buffer.of(byte)),
    bytes(24),
  ),
  /** How often the 64 bytes at the place are repeated. */
  copies: mostly(fc.constant(0), fc.nat({ max: 40 })),
});

/** One of the valid ones, changed in one to six places. */
export function mutated(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([given, changes]) =>
      changes.reduce<Uint8Array>((now, { at, removed, added, copies }) => {
        const start = Math.floor(at * now.length);
        const copied = new Array<Uint8Array>(copies).fill(now.subarray(start, start + 64));
        const rest = now.subarray(start + removed);
        return Buffer.concat([now.subarray(0, start), added, ...copied, rest]);
      }, given),
    );
}
