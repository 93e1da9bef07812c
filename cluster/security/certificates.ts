/** A private certificate authority and the certificates that it signs. */
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
export function createAuthority(days: number): Promise<KeyPair> {
  return signed("Tandem private authority", days, null, async (publicKey) => [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]);
}

interface EndCertificate {
  readonly name: string;
  /** A name that says what its holder may do. */
  readonly uri: string;
  /** Names and addresses of a server; none: its holder is no server. */
  readonly hosts: readonly string[];
  readonly isClient: boolean;
  readonly days: number;
}

/** A certificate signed by the authority. */
export async function issueCertificate(
  authority: KeyPair,
  { name, uri, hosts, isClient, days }: EndCertificate,
): Promise<KeyPair> {
  const certificate = new X509Certificate(authority.certificate);
  const issuer = { certificate, key: await signingKey(authority.key) };
  const names = hosts.map((host) => ({
    type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const),
    value: host,
  }));
  const usages = [
    ...(hosts.length > 0 ? [ExtendedKeyUsage.serverAuth] : []),
    ...(isClient ? [ExtendedKeyUsage.clientAuth] : []),
  ];
  return signed(name, days, issuer, async (publicKey) => [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension(usages),
    new SubjectAlternativeNameExtension([...names, { type: "url", value: uri }]),
    await SubjectKeyIdentifierExtension.create(publicKey),
    await AuthorityKeyIdentifierExtension.create(certificate),
  ]);
}

/** A certificate of a new key. Null: it signs itself. */
async function signed(
  name: string,
  days: number,
  issuer: { readonly certificate: X509Certificate; readonly key: webcrypto.CryptoKey } | null,
  extensions: (publicKey: webcrypto.CryptoKey) => Promise<Extension[]>,
): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const nowMs = Date.now();
  const issuerEndsMs = issuer?.certificate.notAfter.getTime() ?? Number.POSITIVE_INFINITY;
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(nowMs - BACKDATED_MS),
    // No certificate outlives its issuer.
    notAfter: new Date(Math.min(nowMs + days * DAY_MS, issuerEndsMs)),
    publicKey: keys.publicKey,
    signingKey: issuer?.key ?? keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: await extensions(keys.publicKey),
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" }) as string;
  return { certificate: `${certificate.toString("pem").trim()}\n`, key };
}

function signingKey(keyPem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
  return webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

/** Positive and at most 20 octets (RFC 5280, 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0] & 0x7f) | 0x40;
  return bytes.toString("hex");
}
