/** Blocks of cases: each has a kind of case, and the allowed answers. */
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
  mostly,
  mutated,
  nearlyRight,
  nested,
  overlongFrames,
  word,
} from "./arbitraries.ts";
import { type Case, ECHO, httpRequest, PICTURE } from "./target.ts";

export interface Block {
  readonly name: string;
  readonly share: number;
  readonly cases: fc.Arbitrary<Case>;
  /** Whether a connection may be closed without an answer; default: no. */
  readonly closing?: boolean;
  /** Cases under way together; default `AT_ONCE`. More where the server takes its time to close a connection. */
  readonly atOnce?: number;
}

export const AT_ONCE = 16;

/** For callers with a bearer token that may infer. */
export async function blocks(token: string): Promise<readonly Block[]> {
  return [...rawBlocks(), ...grpcBlocks(), ...restBlocks(token, await images())];
}

function rawBlocks(): readonly Block[] {
  const raw = (
    to: "rest" | "grpc" | "worker",
    given: fc.Arbitrary<Uint8Array>,
    atOnce = AT_ONCE,
  ) => ({
    cases: given.map((one) => ({ kind: "raw" as const, to, bytes: one, ends: true })),
    closing: true,
    atOnce,
  });
  return [
    { name: "HTTP/2 frames on a raw socket", share: 0.02, ...raw("grpc", http2Bytes(), 250) },
    { name: "HTTP/2 frames too long", share: 0.005, ...raw("grpc", overlongFrames(), 250) },
    { name: "HTTP/1 requests on a raw socket", share: 0.12, ...raw("rest", httpBytes()) },
    { name: "HTTP/2 frames at a worker", share: 0.08, ...raw("worker", http2Bytes()) },
  ];
}

function grpcBlocks(): readonly Block[] {
  const sent = (data: fc.Arbitrary<Uint8Array>, paths = METHODS) =>
    fc.record({
      kind: fc.constant("grpc" as const),
      headers: fc.constant({}),
      path: fc.constantFrom(...paths),
      data,
    });
  const messages = (given: fc.Arbitrary<Uint8Array>, paths = METHODS) =>
    sent(
      given.map((message) => framed(message)),
      paths,
    );
  const fields = fc.array(field, { maxLength: 8 }).map((list) => Buffer.concat(list));
  const lyingFrames = fc
    .tuple(mutated([MESSAGE]), fc.option(fc.nat()), fc.nat({ max: 255 }))
    .map(([message, length, flag]) => framed(message, length ?? message.length, flag));
  return [
    { name: "gRPC messages, valid ones changed", share: 0.24, cases: messages(mutated([MESSAGE])) },
    { name: "gRPC messages, random fields", share: 0.1, cases: messages(fields) },
    { name: "gRPC messages, deeply nested", share: 0.02, cases: messages(nested) },
    { name: "gRPC messages, tensors that lie", share: 0.08, cases: messages(lying) },
    {
      name: "gRPC messages, tensors that meet in a batch",
      share: 0.08,
      cases: messages(nearlyRight, METHODS.slice(0, 1)),
    },
    { name: "gRPC frames whose lengths and flags lie", share: 0.08, cases: sent(lyingFrames) },
    { name: "gRPC metadata", share: 0.03, cases: oddMetadata(), closing: true },
  ];
}

function oddMetadata(): fc.Arbitrary<Case> {
  const name = fc.constantFrom(
    ...["grpc-timeout", "grpc-encoding", "authorization", "content-type", "traceparent"],
    ...["x-request-id", "user-agent", "tandem-lean", "junk-bin", "grpc-accept-encoding"],
  );
  const value = fc
    .oneof(fc.constantFrom("gzip", "deflate", "1n", "99999999H", "-5S", "br"), headerText)
    .map((text) => text.trim());
  return fc.record({
    kind: fc.constant("grpc" as const),
    path: fc.constantFrom(...METHODS),
    headers: fc.dictionary(name, value, { minKeys: 1, maxKeys: 3 }),
    data: fc.constantFrom(0, 1).map((flag) => framed(MESSAGE, MESSAGE.length, flag)),
  });
}

const inferPath = (pipeline: string): string => `/v2/models/${pipeline}/infer`;
const paths = fc.oneof(
  fc.constantFrom(
    ...[inferPath(ECHO), `/v2/models/${ECHO}`, "/v2", "/v2/repository/index"],
    ...["/run", "/status", "/v1/scheduler", "/v1/replicas", "/metrics", "/openapi.json"],
    ...["/../../etc/passwd", "/v2/models/%2e%2e%2f%00/infer", "/v2/models/__proto__", "//", "/%"],
  ),
  word.map((text) => inferPath(encodeURIComponent(text))),
);
const HTTP_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"];

async function images(): Promise<readonly Uint8Array[]> {
  const create = { width: 48, height: 32, channels: 3 as const, background: "#c04020" };
  const formats = ["png", "jpeg", "webp"] as const;
  return Promise.all(formats.map((format) => sharp({ create }).toFormat(format).toBuffer()));
}

function bomb(width: number, height: number, png: Uint8Array): Uint8Array {
  const copy = Buffer.from(png);
  copy.writeUInt32BE(width, 16);
  copy.writeUInt32BE(height, 20);
  return copy;
}

function oddHeaders(): fc.Arbitrary<Readonly<Record<string, string>>> {
  return fc
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
    }));
}

function restBlocks(token: string, pictures: readonly Uint8Array[]): readonly Block[] {
  const bearer = { authorization: `Bearer ${token}` };
  const posted = (
    path: fc.Arbitrary<string>,
    type: fc.Arbitrary<string>,
    body: fc.Arbitrary<Uint8Array>,
  ): fc.Arbitrary<Case> =>
    fc
      .tuple(path, type, body)
      .map(([to, text, sent]) =>
        httpRequest("POST", to, { ...bearer, "content-type": text }, sent),
      );
  const [png] = pictures;
  const bombs = [bomb(65_535, 65_535, png), bomb(0, 1, png), bomb(2 ** 31 - 1, 1, png)];
  const boundary = fc.oneof(
    fc.constant("x"),
    word.map((text) => text.replace(/[^\w]/g, "")),
  );
  const json = fc.oneof(
    mutated([JSON_REQUEST]),
    fc.json({ maxDepth: 6 }).map((text) => Buffer.from(text)),
    fc.integer({ min: 1, max: 5000 }).map((n) => Buffer.from("[".repeat(n))),
  );
  return [
    {
      name: "JSON bodies",
      share: 0.1,
      cases: posted(
        mostly(fc.constant(inferPath(ECHO)), paths),
        fc.constant("application/json"),
        json,
      ),
    },
    {
      name: "forms",
      share: 0.04,
      cases: posted(
        fc.constantFrom(ECHO, PICTURE).map(inferPath),
        boundary.map((text) => `multipart/form-data; boundary=${text}`),
        mutated([form(png)]),
      ),
    },
    {
      name: "headers and tokens",
      share: 0.07,
      cases: fc
        .tuple(fc.constantFrom(...HTTP_METHODS), paths, oddHeaders(), bytes(20))
        .map((parts) => httpRequest(...parts)),
    },
    {
      name: "pictures",
      share: 0.02,
      cases: posted(
        fc.constant(inferPath(PICTURE)),
        fc.constant("image/png"),
        mostly(mutated(pictures), fc.oneof(fc.constantFrom(...bombs), bytes(200))),
      ),
    },
  ];
}
