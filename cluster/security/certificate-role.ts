/** The role that a certificate of the deployment's authority carries as its URI name. */
import type { PeerCertificate } from "node:tls";

/** Everyone who takes part in a deployment. A client may infer, an admin may also control. */
export const CERTIFICATE_ROLES = ["gateway", "worker", "client", "admin"] as const;
export type CertificateRole = (typeof CERTIFICATE_ROLES)[number];

const PREFIX = "urn:tandem:role:";

export function roleUri(role: CertificateRole): string {
  return `${PREFIX}${role}`;
}

/**
 * Of a certificate whose chain was verified already; null when it carries none. Names are
 * separated by ", " and one that holds a comma is quoted (Node's tls), so that no name can pose
 * as another.
 */
export function roleOf(certificate: Partial<PeerCertificate> | undefined): CertificateRole | null {
  const names = (certificate?.subjectaltname ?? "").split(", ");
  return CERTIFICATE_ROLES.find((role) => names.includes(`URI:${roleUri(role)}`)) ?? null;
}
