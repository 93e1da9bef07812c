/**
 * A server's certificates and tokens as on disk now, so that a rotation needs no restart. While new files
 * are unreadable, the last good ones stay.
 */
import { statSync } from "node:fs";
import type { Server as HttpsServer } from "node:https";
import { join, resolve } from "node:path";
import type { Server as TlsServer } from "node:tls";
import { type AccessRules, OPEN, parseTokens, readTokens } from "./access.ts";
import { readIdentity } from "./certificate-files.ts";
import { type CertificateRole, contextOf, type TlsIdentity } from "./tls.ts";

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
    this.#read();
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
      const before = this.#identity?.cert;
      this.#read();
      if (this.#identity === null || this.#identity.cert === before) return;
      for (const server of this.#servers) server.setSecureContext(contextOf(this.#identity));
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

  #read(): void {
    const { certificates, tokens } = this.#paths;
    const { identity: own, tokens: text } = this.#given;
    const identity = certificates === null ? own : readIdentity(certificates, this.#role);
    const given = text === null ? null : parseTokens(text, "the tokens file");
    const known = tokens === null ? given : readTokens(tokens);
    this.#identity = identity;
    this.#rules = { tokens: known, certificates: identity !== null };
  }
}

function modified(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found === undefined ? "gone" : `${found.mtimeMs}/${found.size}/${found.ino}`;
}
