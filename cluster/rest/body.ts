/** Bodies of HTTP requests. */
import type { IncomingMessage } from "node:http";
import type { z } from "zod";
import { Fault, type Issue } from "../../core/fault.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/service.ts";
import { checkJsonLimits } from "../security/json-limits.ts";
import type { Share } from "../security/limits.ts";
import { exactJson } from "./exact-json.ts";
import type { RestCall } from "./route.ts";

/** As many issues are told at once. */
const MOST_ISSUES = 20;

/**
 * Rejects with Fault("limit-exceeded") for more than 64 MiB, with Fault("overloaded") when all that
 * are being received have more than they may; the rest is then not read.
 */
export function readBody(request: IncomingMessage, share: Share): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const refuse = (why: unknown): void => {
      request.removeAllListeners("data");
      request.pause();
      chunks.length = 0;
      share.giveBack();
      reject(why);
    };
    const tooLarge = (): Fault =>
      new Fault("limit-exceeded", `the body has more than ${MAX_MESSAGE_BYTES} bytes`);
    if (Number(request.headers["content-length"] ?? 0) > MAX_MESSAGE_BYTES) {
      refuse(tooLarge());
      return;
    }
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      try {
        if (size > MAX_MESSAGE_BYTES) throw tooLarge();
        share.take(chunk.length);
        chunks.push(chunk);
      } catch (fault) {
        refuse(fault);
      }
    });
    request.on("end", () => {
      share.giveBack();
      resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    });
    request.on("error", reject);
  });
}

/** Throws Fault("invalid-input") for what is no JSON, Fault("limit-exceeded") for too much. */
export function parseJson(body: Uint8Array): unknown {
  checkJsonLimits(body);
  try {
    return exactJson(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString());
  } catch (error) {
    throw new Fault("invalid-input", `the body is no JSON: ${(error as Error).message}`);
  }
}

/** What the schema makes of a value. Throws Fault("invalid-input") with all issues. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { issues } = result.error;
  throw invalidBody(
    issues
      .slice(0, MOST_ISSUES)
      .map((issue) => ({ path: issue.path.join("."), message: issue.message })),
  );
}

/** Throws Fault("invalid-input") unless the body is said to be JSON, and is, and fits the schema. */
export async function jsonBody<Schema extends z.ZodType>(
  call: RestCall,
  schema: Schema,
): Promise<z.infer<Schema>> {
  // A web page of another origin cannot send this content type unasked.
  if (!/^application\/json\b/i.test(call.headers["content-type"] ?? "")) {
    throw new Fault("invalid-input", "the body is to be sent with content-type: application/json");
  }
  return parsed(schema, parseJson(await call.body()));
}

export function invalidBody(issues: readonly Issue[]): Fault {
  const text = issues.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  return new Fault("invalid-input", `the body is not as it should be: ${text.join("; ")}`, {
    issues,
  });
}
