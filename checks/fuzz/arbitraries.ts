/** The parts of hostile input. */
import fc from "fast-check";
import { encodeInferRequest } from "../../cluster/protocol/infer-codec.ts";
import type { ModelInferRequest } from "../../cluster/protocol/messages.ts";
import { bytesTensor } from "../../cluster/protocol/tensors.ts";
import { ECHO, PICTURE, SUM } from "./target.ts";

export const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
export const word = fc.string({ maxLength: 24 });
/** Without line ends, which would be other headers. */
export const headerText = fc
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

function mostly<T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: odd });
}

/** Requests for a model that batches, each a little wrong or not at all. */
export const nearlyRight = modelShape
  .chain((shape) =>
    fc.tuple(
      nearly("a", shape),
      nearly("b", shape),
      fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, nearly("b", shape)),
    ),
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
  return fc.oneof({ weight: 9, arbitrary: mutated(valid) }, { weight: 1, arbitrary: bytes(300) });
}

/** Announces more than it has, or than is allowed: then the rest is waited for, for a while. */
export function overlongFrames(): fc.Arbitrary<Uint8Array> {
  return fc.nat({ max: 2 ** 24 - 1 }).map((length) => {
    const head = Buffer.alloc(9);
    head.writeUIntBE(length, 0, 3);
    return Buffer.concat([PREFACE, SETTINGS, head]);
  });
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);

export function http2Bytes(): fc.Arbitrary<Uint8Array> {
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

type Change =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "set"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "repeat"; readonly at: number; readonly times: number };

const at = fc.double({ min: 0, max: 0.999, noNaN: true });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.integer({ min: 0, max: 7 }) }),
  fc.record({
    kind: fc.constant("set" as const),
    at,
    value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
  }),
  fc.record({ kind: fc.constant("cut" as const), at }),
  fc.record({
    kind: fc.constant("insert" as const),
    at,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
  }),
  fc.record({ kind: fc.constant("repeat" as const), at, times: fc.integer({ min: 2, max: 40 }) }),
);

/** One of the valid ones, changed in one to six places. */
export function mutated(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([bytes, changes]) => changes.reduce(changed, bytes));
}

function changed(bytes: Uint8Array, change: Change): Uint8Array {
  const i = Math.floor(change.at * bytes.length);
  switch (change.kind) {
    case "flip":
      return bytes.map((byte, j) => (j === i ? byte ^ (1 << change.bit) : byte));
    case "set":
      return bytes.map((byte, j) => (j === i ? change.value : byte));
    case "cut":
      return bytes.subarray(0, i);
    case "insert":
      return Buffer.concat([bytes.subarray(0, i), change.bytes, bytes.subarray(i)]);
    case "repeat":
      return Buffer.concat([
        bytes,
        ...Array.from({ length: change.times }, () => bytes.subarray(i, i + 64)),
      ]);
  }
}
