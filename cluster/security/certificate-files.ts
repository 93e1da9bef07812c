/** The folder of certificates that `tandem cluster certs` writes and every process reads. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { KeyPair } from "./certificates.ts";
import { CERTIFICATE_ROLES, type CertificateRole, type TlsIdentity } from "./tls.ts";

interface CertificateFolderOptions {
  /** Names and addresses of the gateway, besides loopback. */
  readonly hosts: readonly string[];
  readonly days: number;
  /** Replace existing certificates, but not the authority. */
  readonly force: boolean;
  /** With `force`: replace the authority too. */
  readonly newAuthority: boolean;
}

const AUTHORITY = "ca";
const MAX_DAYS = 3650;
const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "::1"];
/** Source: RFC 1123. */
const HOST_NAME =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/** Only their owner can read keys, and each file is replaced whole. Throws Fault("usage"). */
export async function writeCertificates(directory: string, options: CertificateFolderOptions) {
  check(options);
  const folder = resolve(directory);
  const there = CERTIFICATE_ROLES.flatMap((role) => [`${role}.crt`, `${role}.key`]).filter((file) =>
    existsSync(join(folder, file)),
  );
  if (there.length > 0 && !options.force) {
    throw new Fault("usage", `${folder} holds certificates already: ${there.join(", ")}`, {
      hint: "--force writes new ones, signed by the authority that is there",
    });
  }
  // Every process reads certificates at its start; only this command loads the library that makes them.
  const { createAuthority, issueCertificate } = await import("./certificates.ts");
  const kept = options.newAuthority ? null : readAuthorityPair(folder);
  const authority = kept ?? (await createAuthority(MAX_DAYS));
  const hosts = [...new Set([...LOOPBACK_NAMES, ...options.hosts])];
  const pairs = await Promise.all(
    CERTIFICATE_ROLES.map(async (role) => {
      const served = role === "gateway" || role === "worker" ? hosts : [];
      const pair = await issueCertificate(authority, role, { hosts: served, days: options.days });
      return [role, pair] as const;
    }),
  );
  const files = [...(kept === null ? [[AUTHORITY, authority] as const] : []), ...pairs];
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    directory: folder,
    files: files.flatMap(([name, pair]) => writePair(folder, name, pair)),
    hosts,
    authority: kept === null ? ("new" as const) : ("kept" as const),
    expiresAt: new Date(Date.now() + options.days * 86_400_000).toISOString().slice(0, 10),
  };
}

/** Throws Fault("invalid-input") when the folder lacks the role's files. */
export function readIdentity(directory: string, role: CertificateRole): TlsIdentity {
  const [cert, key] = [`${role}.crt`, `${role}.key`].map((file) => read(directory, file));
  return { ca: readAuthority(directory), cert, key };
}

/** The authority's certificate. Throws Fault("invalid-input") without one. */
export function readAuthority(directory: string): string {
  return read(directory, `${AUTHORITY}.crt`);
}

export function hasIdentity(directory: string, role: CertificateRole): boolean {
  return existsSync(join(directory, `${role}.key`));
}

function read(directory: string, file: string): string {
  const path = join(directory, file);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new Fault("invalid-input", `cannot read ${path}: ${(cause as Error).message}`, {
      hint: `\`tandem cluster certs ${directory}\` writes a whole set`,
      cause,
    });
  }
}

function check({ hosts, days, force, newAuthority }: CertificateFolderOptions): void {
  const wrong = hosts.filter((host) => isIP(host) === 0 && !HOST_NAME.test(host));
  if (wrong.length > 0) {
    const listed = wrong.map((host) => JSON.stringify(host)).join(", ");
    throw new Fault("usage", `--host takes names and addresses, not ${listed}`, {
      hint: "separate several by commas: --host gpu1.example.org,10.0.0.5",
    });
  }
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS) {
    throw new Fault("usage", `--days is a whole number from 1 to ${MAX_DAYS}, not ${days}`);
  }
  if (newAuthority && !force) {
    throw new Fault("usage", "--new-ca replaces every certificate, so it needs --force", {
      hint: "clients that trust the old authority will have to get the new ca.crt",
    });
  }
}

/** Null when the folder has none. */
function readAuthorityPair(folder: string): KeyPair | null {
  const [certificate, key] = [`${AUTHORITY}.crt`, `${AUTHORITY}.key`].map((file) => {
    const path = join(folder, file);
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  });
  if (certificate === null && key === null) return null;
  if (certificate === null || key === null) {
    const half = key === null ? "an authority without its key" : "a key without its authority";
    throw new Fault("usage", `${folder} has ${half}`, {
      hint: "put the missing file back, or start anew with --force --new-ca",
    });
  }
  return { certificate, key };
}

function writePair(folder: string, name: string, { certificate, key }: KeyPair): string[] {
  replaceFile(join(folder, `${name}.key`), key);
  replaceFile(join(folder, `${name}.crt`), certificate, 0o644);
  return [`${name}.key`, `${name}.crt`];
}

/** Writes a file aside and renames it, so that readers see the old one or the new one, whole. */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, text, { mode, flag: "wx" });
  renameSync(`${path}.new`, path);
}
