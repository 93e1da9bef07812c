/** Bodies of requests: received within bounds, unpacked, parsed as JSON, and checked. */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import type { FastifyRequest } from "fastify";
import { parse, stringify } from "lossless-json";
import type { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { LIMITS, type Share } from "../security/limits.ts";

const MAX_ISSUES = 20;

/**
 * The body as it is. Rejects with Fault("limit-exceeded") for more than `messageBytes`, and with
 * Fault("overloaded") when all callers together send too much; the rest is then not read.
 */
export async function readBody({ raw, share }: FastifyRequest): Promise<Buffer> {
  try {
    checkSize(Number(raw.headers["content-length"] ?? 0));
    return await receive(raw.iterator({ destroyOnReturn: false }), share);
  } finally {
    share.giveBack();
  }
}

/** Throws Fault("limit-exceeded") for more than `messageBytes`. */
async function receive(chunks: AsyncIterable<Buffer>, share: Share): Promise<Buffer> {
  const received: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    checkSize(size);
    share.take(chunk.length);
    received.push(chunk);
  }
  return received.length === 1 ? received[0] : Buffer.concat(received);
}

function checkSize(bytes: number): void {
  if (bytes <= LIMITS.messageBytes) return;
  throw new Fault("limit-exceeded", `the body has more than ${LIMITS.messageBytes} bytes`);
}

const unpack = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/** Rejects with Fault("invalid-input") or Fault("limit-exceeded"). */
export async function unpacked(body: Buffer, encoding = "identity"): Promise<Buffer> {
  if (encoding === "identity") return body;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new Fault("invalid-input", `content-encoding is ${encoding}, not gzip or deflate`);
  }
  try {
    return await unpack[encoding](body, { maxOutputLength: LIMITS.messageBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      const message = `the body has more than ${LIMITS.messageBytes} bytes when unpacked`;
      throw new Fault("limit-exceeded", message);
    }
    throw new Fault("invalid-input", `the body is not ${encoding}: ${(error as Error).message}`);
  }
}

/** Throws Fault("invalid-input") for text that is not JSON, Fault("limit-exceeded") for too much. */
export function parseJson(body: Uint8Array): unknown {
  checkJsonLimits(body);
  try {
    return exactJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch (error) {
    throw new Fault("invalid-input", `the body is no JSON: ${(error as Error).message}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Checked before parsing, because parsing itself takes the memory. */
function checkJsonLimits(json: Uint8Array): void {
  if (json.length > LIMITS.jsonBytes) {
    throw new Fault("limit-exceeded", `the JSON has more than ${LIMITS.jsonBytes} bytes`, {
      hint: "send large tensors by the binary extension, or over gRPC",
    });
  }
  const exceeded = (what: string): Fault =>
    new Fault("limit-exceeded", `the JSON has more than ${what}`);
  let depth = 0;
  let structures = 0;
  let inText = false;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i];
    if (inText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) inText = true;
    else if (OPENING.has(byte)) {
      structures++;
      if (++depth > LIMITS.jsonDepth) throw exceeded(`${LIMITS.jsonDepth} levels`);
    } else if (CLOSING.has(byte)) depth--;
  }
  if (structures > LIMITS.jsonStructures) throw exceeded(`${LIMITS.jsonStructures} parts`);
}

/** Only texts with so many digits in a row can have a number that JSON.parse would round. */
const MANY_DIGITS = /\d{16}/;
/** 2^64 has 20 digits. A bigint of millions of digits takes long to make. */
const WHOLE = /^-?\d{1,20}$/;

/** Whole numbers beyond 2^53 become bigints. The last of two equal keys counts, as with JSON.parse. */
function exactJson(text: string): unknown {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  const parseNumber = (digits: string): number | bigint => {
    const number = Number(digits);
    return Number.isSafeInteger(number) || !WHOLE.test(digits) ? number : BigInt(digits);
  };
  return parse(text, null, { parseNumber, onDuplicateKey: ({ newValue }) => newValue });
}

/** JSON of a value with bigints. */
export function exactText(value: object): string {
  return stringify(value) as string;
}

/** Throws Fault("invalid-input") with all issues; `part` names the part of the request. */
export function parsed<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  part = "body",
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues
    .slice(0, MAX_ISSUES)
    .map(({ path, message }) => ({ path: path.join("."), message }));
  const text = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  throw new Fault("invalid-input", `the ${part} is not as it should be: ${text.join("; ")}`, {
    issues,
  });
}
