/** A private certificate authority and the certificates that it signs; a URI name holds the role. */
import "reflect-metadata";
import { createPrivateKey, KeyObject, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { type CertificateRole, roleUri } from "./tls.ts";

/** A certificate and its private key, both PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const DAY_MS = 86_400_000;
/** Allowed difference between the clocks of the two ends. */
const BACKDATED_MS = 5 * 60_000;

/** A new authority, valid for `days`. It signs end certificates only. */
export async function createAuthority(days: number): Promise<KeyPair> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: "CN=Tandem private authority",
    ...validity(days),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: privatePem(keys.privateKey) };
}

/** A certificate signed by the authority. `hosts` are a server's names and addresses. */
export async function issueCertificate(
  authority: KeyPair,
  role: CertificateRole,
  options: { readonly hosts: readonly string[]; readonly days: number },
): Promise<KeyPair> {
  const issuer = new X509Certificate(authority.certificate);
  const keys = await newKeys();
  const { notBefore, notAfter } = validity(options.days);
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=Tandem ${role}`,
    issuer: issuer.subject,
    notBefore,
    // No certificate outlives its issuer.
    notAfter: new Date(Math.min(notAfter.getTime(), issuer.notAfter.getTime())),
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: await extensionsOf(role, options.hosts, keys.publicKey, issuer),
  });
  return { certificate: pem(certificate), key: privatePem(keys.privateKey) };
}

async function extensionsOf(
  role: CertificateRole,
  hosts: readonly string[],
  publicKey: webcrypto.CryptoKey,
  issuer: X509Certificate,
): Promise<Extension[]> {
  const names = hosts.map((host) => ({
    type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const),
    value: host,
  }));
  return [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(usages(role)),
    new SubjectAlternativeNameExtension([...names, { type: "url", value: roleUri(role) }]),
    await SubjectKeyIdentifierExtension.create(publicKey),
    await AuthorityKeyIdentifierExtension.create(issuer),
  ];
}

/** The gateway is a server to its callers and a client of its workers. */
function usages(role: CertificateRole): ExtendedKeyUsage[] {
  if (role === "gateway") return [ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth];
  return [role === "worker" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth];
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function signingKey(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

function privatePem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: "pkcs8", format: "pem" }) as string;
}

function pem(certificate: X509Certificate): string {
  return `${certificate.toString("pem").trim()}\n`;
}

/** Positive and at most 20 octets (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] & 0x7f) | 0x40;
  return bytes.toString("hex");
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: new Date(now - BACKDATED_MS),
    notAfter: new Date(now + days * DAY_MS),
  };
}
