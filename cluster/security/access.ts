/**
 * Access to a server. Roles decide which routes and methods a caller may use; client certificates and bearer tokens
 * give roles. A line of the tokens file is a role, the token's SHA-256, and a name.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { appendFileSync, readFileSync, statSync } from "node:fs";
import type { Server as HttpsServer } from "node:https";
import { join, resolve } from "node:path";
import type { Server as TlsServer } from "node:tls";
import { Fault, type Issue } from "../../engine/basics/fault.ts";
import { type CertificateRole, contextOf, readIdentity, type TlsIdentity } from "./tls.ts";

/** An admin may infer too. */
const ROLES = ["infer", "admin"] as const;
export type Role = (typeof ROLES)[number];

/** The role for a route or a method. */
export type RequiredRole = "public" | Role;

interface Credentials {
  /** The Authorization header, or null. */
  readonly authorization: string | null;
  /** The role of a certificate that the deployment's authority signed. */
  readonly certificate: CertificateRole | null;
}

/** The kinds of credentials that a server accepts. */
export interface AccessRules {
  /** Null: no tokens are in use. */
  readonly tokens: readonly TokenEntry[] | null;
  /** Whether client certificates are in use. */
  readonly certificates: boolean;
}

/** Everyone may do everything; for loopback only. */
export const OPEN: AccessRules = { tokens: null, certificates: false };

export function isOpen(rules: AccessRules): boolean {
  return rules.tokens === null && !rules.certificates;
}

/** Null for an allowed caller. An unknown token is refused even beside a valid certificate. */
export function refusal(
  rules: AccessRules,
  required: RequiredRole,
  shown: Credentials,
): Fault | null {
  if (required === "public" || isOpen(rules)) return null;
  const byToken = shown.authorization === null ? null : tokenRole(rules, shown.authorization);
  if (shown.authorization !== null && byToken === null) {
    return new Fault("unauthenticated", "the Authorization header holds no known bearer token", {
      hint: "send `Authorization: Bearer TOKEN`; `tandem cluster token` makes tokens",
    });
  }
  const roles = [byToken, certificateRole(rules, shown.certificate)];
  if (roles.includes("admin") || roles.includes(required)) return null;
  if (roles.every((role) => role === null)) {
    const ways = [
      rules.tokens === null ? [] : "send `Authorization: Bearer TOKEN`",
      rules.certificates ? "connect with a client certificate of the deployment's authority" : [],
    ];
    return new Fault("unauthenticated", "credentials are needed", {
      hint: ways.flat().join(", or "),
    });
  }
  return new Fault("forbidden", `this needs the role ${required}`, {
    hint: "`tandem cluster token --role admin` makes a token that may control the deployment",
  });
}

function tokenRole({ tokens }: AccessRules, authorization: string): Role | null {
  const [, token] = /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization) ?? [];
  if (token === undefined || tokens === null) return null;
  return findToken(tokens, token)?.role ?? null;
}

function certificateRole(rules: AccessRules, role: CertificateRole | null): Role | null {
  if (!rules.certificates) return null;
  if (role === "client") return "infer";
  return role === "admin" ? "admin" : null;
}

interface TokenEntry {
  readonly role: Role;
  readonly digest: Buffer;
  readonly name: string;
}

const LONGEST_TOKEN = 512;

/** A new token and its line for the tokens file. Throws Fault("usage") for an invalid name. */
export function createToken(role: Role, name: string): { token: string; line: string } {
  if (!/^[\w .@-]{0,64}$/.test(name)) {
    throw new Fault("usage", `a token's name has at most 64 letters, digits or " _.@-"`);
  }
  const token = `tandem_${randomBytes(32).toString("base64url")}`;
  return { token, line: `${role} ${digestOf(token).toString("hex")} ${name}`.trim() };
}

/** Adds a line to a tokens file, which only its owner can read. */
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
    const [, role = "", hex = "", name = ""] = /^(\S+)\s+(\S+)(?:\s+(.*))?$/.exec(line) ?? [];
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
  const listed = issues.map(({ line, message }) => (line ? `line ${line} ${message}` : message));
  throw new Fault("invalid-input", `${file}: ${listed.join("; ")}`, {
    hint: "a line is: infer|admin, a space, the token's SHA-256, a space, a name",
    issues,
  });
}

/** The entry of a token, or null; takes the same time for every entry and for none. */
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

/** The places of a deployment's credentials; null without any. */
export interface SecurityPaths {
  /** Folder written by `tandem cluster certs`. */
  readonly certificates: string | null;
  /** File written by `tandem cluster token --file`. */
  readonly tokens: string | null;
}

/** In place of files, for a process on another machine: null where it has none. */
export interface GivenSecurity {
  readonly identity: TlsIdentity | null;
  /** Text of a tokens file. */
  readonly tokens: string | null;
}

/** Absolute paths, for processes that start elsewhere. */
export function securityPaths(given: {
  readonly certificates?: string;
  readonly tokens?: string;
}): SecurityPaths {
  const { certificates, tokens } = given;
  return {
    certificates: certificates === undefined ? null : resolve(certificates),
    tokens: tokens === undefined ? null : resolve(tokens),
  };
}

const LOOK_MS = 2000;

/**
 * A server's certificates and tokens as on disk now, so that a rotation needs no restart. While new files
 * are unreadable, the last good ones stay.
 */
export class SecurityFiles {
  readonly #paths: SecurityPaths;
  readonly #role: CertificateRole;
  readonly #given: GivenSecurity;
  readonly #timer: NodeJS.Timeout;
  readonly #servers: (TlsServer | HttpsServer)[] = [];
  #seen: string;
  #identity: TlsIdentity | null = null;
  #rules: AccessRules = OPEN;

  /** Throws Fault("invalid-input") when something cannot be read. */
  constructor(
    paths: SecurityPaths,
    role: CertificateRole,
    given: GivenSecurity = { identity: null, tokens: null },
  ) {
    this.#given = given;
    this.#paths = paths;
    this.#role = role;
    this.#seen = this.#stamp();
    ({ identity: this.#identity, rules: this.#rules } = this.#read());
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Null: no TLS. */
  get identity(): TlsIdentity | null {
    return this.#identity;
  }

  get rules(): AccessRules {
    return this.#rules;
  }

  /** Serves new connections with rotated certificates. */
  rotateIn(server: TlsServer | HttpsServer): void {
    this.#servers.push(server);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const stamp = this.#stamp();
    if (stamp === this.#seen) return;
    this.#seen = stamp;
    try {
      const { identity, rules } = this.#read();
      if (identity !== null && identity.cert !== this.#identity?.cert) {
        for (const server of this.#servers) server.setSecureContext(contextOf(identity));
      }
      this.#identity = identity;
      this.#rules = rules;
    } catch (error) {
      // Half-rotated or mistyped files: the old ones stay valid.
      process.stderr.write(`certificates or tokens not taken: ${(error as Error).message}\n`);
    }
  }

  #stamp(): string {
    const { certificates, tokens } = this.#paths;
    const names = ["ca.crt", `${this.#role}.crt`, `${this.#role}.key`];
    const files = certificates === null ? [] : names.map((name) => join(certificates, name));
    return [...files, tokens ?? []].flat().map(modified).join();
  }

  #read() {
    const { certificates, tokens } = this.#paths;
    const { identity: own, tokens: text } = this.#given;
    const identity = certificates === null ? own : readIdentity(certificates, this.#role);
    const given = text === null ? null : parseTokens(text, "the tokens file");
    const known = tokens === null ? given : readTokens(tokens);
    return { identity, rules: { tokens: known, certificates: identity !== null } };
  }
}

function modified(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "gone" : `${found.mtimeMs}/${found.size}/${found.ino}`;
}
