/**
 * Bearer tokens. A tokens file has one line for each: its role, the SHA-256 of the token, and a
 * name for people. The tokens themselves are nowhere: with 256 random bits each, a plain hash
 * gives nothing away.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { appendFileSync, readFileSync } from "node:fs";
import { Fault, type Issue } from "../../core/fault.ts";

/** What a caller may do. An admin may infer too. */
export const ROLES = ["infer", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface TokenEntry {
  readonly role: Role;
  readonly digest: Buffer;
  readonly name: string;
}

const PREFIX = "tandem_";
const TOKEN_BYTES = 32;
const LONGEST_TOKEN = 512;
const LINE = /^(\S+)\s+(\S+)(?:\s+(.*))?$/;

/** A new token and its line for the tokens file. Throws Fault("usage") for an impossible name. */
export function createToken(role: Role, name: string): { token: string; line: string } {
  if (!/^[\w .@-]{0,64}$/.test(name)) {
    throw new Fault("usage", `a token's name has at most 64 letters, digits or " _.@-"`);
  }
  const token = `${PREFIX}${randomBytes(TOKEN_BYTES).toString("base64url")}`;
  return { token, line: `${role} ${digestOf(token).toString("hex")} ${name}`.trim() };
}

/** Adds a line to a tokens file, which only its owner may read. */
export function appendToken(file: string, line: string): void {
  appendFileSync(file, `${line}\n`, { mode: 0o600 });
}

/** Throws Fault("invalid-input") with all issues and their lines. */
export function readTokens(file: string): readonly TokenEntry[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new Fault("invalid-input", `cannot read the tokens file: ${(cause as Error).message}`, {
      hint: "`tandem cluster token --role infer --file FILE` makes one",
      cause,
    });
  }
  return parseTokens(text, file);
}

/** Throws Fault("invalid-input") with all issues and their lines. */
export function parseTokens(text: string, file: string): readonly TokenEntry[] {
  const issues: Issue[] = [];
  const entries = text.split(/\r?\n/).flatMap((raw, i): TokenEntry[] => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) return [];
    const [, role = "", hex = "", name = ""] = LINE.exec(line) ?? [];
    const at = { path: file, file, line: i + 1 };
    if (!ROLES.includes(role as Role)) {
      issues.push({ ...at, message: `starts with a role: ${ROLES.join(" or ")}` });
    } else if (!/^[\da-f]{64}$/i.test(hex)) {
      const message = "holds no SHA-256 in 64 hexadecimal digits after the role";
      issues.push({ ...at, message, hint: "the file holds hashes, never the tokens themselves" });
    } else {
      return [{ role: role as Role, digest: Buffer.from(hex, "hex"), name }];
    }
    return [];
  });
  if (entries.length === 0 && issues.length === 0) {
    issues.push({ path: file, file, message: "holds no token: nobody could get in" });
  }
  if (issues.length === 0) return entries;
  const told = issues.map(
    ({ line, message }) => `${line === undefined ? "" : `line ${line} `}${message}`,
  );
  throw new Fault("invalid-input", `${file}: ${told.join("; ")}`, {
    hint: "a line is: infer|admin, a space, the token's SHA-256, a space, a name",
    issues,
  });
}

/** The entry of a token, or null. Takes the same time whichever entry it is, and for none. */
export function findToken(entries: readonly TokenEntry[], token: string): TokenEntry | null {
  const digest = digestOf(token.slice(0, LONGEST_TOKEN));
  let found: TokenEntry | null = null;
  for (const entry of entries) {
    if (timingSafeEqual(entry.digest, digest)) found = entry;
  }
  return token.length > LONGEST_TOKEN ? null : found;
}

function digestOf(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
