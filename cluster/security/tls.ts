/**
 * TLS between the processes of a deployment: the roles in certificates, the options of both ends, the addresses of
 * servers, and the folder of certificates that `tandem cluster certs` writes and every process reads.
 */
import { lookup } from "node:dns/promises";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import {
  checkServerIdentity,
  type PeerCertificate,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from "node:tls";
import { Fault } from "../../engine/basics/fault.ts";
import type { KeyPair } from "./certificates.ts";
import type { ClientTimes } from "./limits.ts";

/** Everyone in a deployment. A client may infer; an admin may also control. */
export const CERTIFICATE_ROLES = ["gateway", "worker", "client", "admin"] as const;
export type CertificateRole = (typeof CERTIFICATE_ROLES)[number];

/** A role's key pair with the authority that it trusts, all PEM. */
export interface TlsIdentity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The URI name that gives a certificate its role. */
function roleUri(role: CertificateRole): string {
  return `urn:tandem:role:${role}`;
}

/** The role of a verified certificate. Node quotes names that hold a comma, so none can pose as another. */
export function roleOf(certificate: Partial<PeerCertificate> | undefined): CertificateRole | null {
  const names = (certificate?.subjectaltname ?? "").split(", ");
  return CERTIFICATE_ROLES.find((role) => names.includes(`URI:${roleUri(role)}`)) ?? null;
}

const OLDEST_VERSION = "TLSv1.2";

/** `require`: the handshake fails for a client without a certificate of the authority. */
export function serverTls(
  identity: TlsIdentity,
  require: boolean,
  { handshakeMs }: ClientTimes,
): TlsOptions {
  return {
    ...contextOf(identity),
    handshakeTimeout: handshakeMs,
    requestCert: true,
    rejectUnauthorized: require,
  };
}

/** The proven role of a connection's other end; null without one, or without TLS. */
export function peerRole(socket: Partial<TLSSocket>): CertificateRole | null {
  // A handshake may succeed without a certificate of the authority.
  if (socket.authorized !== true) return null;
  return roleOf(socket.getPeerCertificate?.());
}

/** A client's check of a server: its name, and that its certificate has the role. */
export function serverHasRole(role: CertificateRole) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    const wrong = checkServerIdentity(host, certificate);
    if (wrong !== undefined || roleOf(certificate) === role) return wrong;
    return new Error(`the certificate of ${host} is not a ${role}'s`);
  };
}

export function contextOf({ ca, cert, key }: TlsIdentity): SecureContextOptions {
  return { ca, cert, key, minVersion: OLDEST_VERSION };
}

/** Without TLS, servers listen on these addresses only. */
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/** Throws Fault("usage") beyond loopback without TLS, and for a name that cannot be resolved. */
export async function requireSafeBinding(host: string, tls: boolean): Promise<void> {
  const addresses = isIP(host) === 0 ? await resolved(host) : [host];
  if (tls || addresses.every(isLoopback)) return;
  throw new Fault("usage", `${host} can be reached from other machines, and there is no TLS`, {
    hint: `write certificates with \`tandem cluster certs DIR --host ${nameFor(host)}\` and give --certs DIR, or leave --host at 127.0.0.1`,
  });
}

/** The address of a server for clients on its own machine. */
export function reachableHost(host: string): string {
  return WILDCARDS[host] ?? host;
}

/** host:port, with the brackets that an IPv6 address needs. */
export function authority(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

async function resolved(host: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new Fault("usage", `--host ${JSON.stringify(host)} is no address of this machine`, {
      hint: "give an address, or a name that resolves to one",
      cause,
    });
  }
}

function nameFor(host: string): string {
  return host in WILDCARDS ? "NAME-OF-THIS-MACHINE" : host;
}

/** The failure of a server that got no port, with the next step. */
export function cannotListen(
  host: string,
  port: number,
  cause: unknown,
  hint = "give another port, or end the program that has this one",
): Fault {
  const { message } = cause as Error;
  return new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${message}`, {
    hint,
    cause,
  });
}

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
  checkOptions(options);
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
  const issuer = kept ?? (await createAuthority(MAX_DAYS));
  const hosts = [...new Set([...LOOPBACK_NAMES, ...options.hosts])];
  const pairs = await Promise.all(
    CERTIFICATE_ROLES.map(async (role) => {
      // The gateway is a server to its callers and a client of its workers.
      const isServer = role === "gateway" || role === "worker";
      const pair = await issueCertificate(issuer, {
        name: `Tandem ${role}`,
        uri: roleUri(role),
        hosts: isServer ? hosts : [],
        isClient: role !== "worker",
        days: options.days,
      });
      return [role, pair] as const;
    }),
  );
  const files = [...(kept === null ? [[AUTHORITY, issuer] as const] : []), ...pairs];
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
  const [cert, key] = [`${role}.crt`, `${role}.key`].map((file) => readPem(directory, file));
  return { ca: readAuthority(directory), cert, key };
}

/** The authority's certificate. Throws Fault("invalid-input") without one. */
export function readAuthority(directory: string): string {
  return readPem(directory, `${AUTHORITY}.crt`);
}

export function hasIdentity(directory: string, role: CertificateRole): boolean {
  return existsSync(join(directory, `${role}.key`));
}

function readPem(directory: string, file: string): string {
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

function checkOptions({ hosts, days, force, newAuthority }: CertificateFolderOptions): void {
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
