/** Who may do what: the one decision behind REST routes and gRPC methods. */
import { Fault } from "../../core/fault.ts";
import type { CertificateRole } from "./certificate-role.ts";
import { findToken, type Role, type TokenEntry } from "./tokens.ts";

/** Who may use a route or a method: anyone, who may infer, or who may change the deployment. */
export type RequiredRole = "public" | Role;

/** What a caller shows. */
export interface Credentials {
  /** Of the Authorization header; null: none was sent. */
  readonly authorization: string | null;
  /** Of a certificate that the deployment's authority signed. */
  readonly certificate: CertificateRole | null;
}

/** What a server asks its callers for. */
export interface AccessRules {
  /** Null: no tokens are in use. */
  readonly tokens: readonly TokenEntry[] | null;
  /** Whether client certificates are in use. */
  readonly certificates: boolean;
}

/** Loopback only, nobody is asked for anything. */
export const OPEN: AccessRules = { tokens: null, certificates: false };

export function isOpen(rules: AccessRules): boolean {
  return rules.tokens === null && !rules.certificates;
}

/**
 * Null when the caller may; otherwise Fault("unauthenticated") for one who shows nothing valid, or
 * Fault("forbidden") for one who may do less. An unknown token is refused whatever else is shown.
 */
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
    return new Fault("unauthenticated", "credentials are needed", { hint: howTo(rules) });
  }
  return new Fault("forbidden", `this needs the role ${required}`, {
    hint: "`tandem cluster token --role admin` makes a token that may control the deployment",
  });
}

function tokenRole({ tokens }: AccessRules, authorization: string): Role | null {
  const token = bearerOf(authorization);
  if (token === null || tokens === null) return null;
  return findToken(tokens, token)?.role ?? null;
}

function certificateRole(rules: AccessRules, role: CertificateRole | null): Role | null {
  if (!rules.certificates) return null;
  if (role === "client") return "infer";
  return role === "admin" ? "admin" : null;
}

/** The token of an Authorization header of the Bearer scheme; null for any other. */
export function bearerOf(header: string): string | null {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(header)?.[1] ?? null;
}

function howTo({ tokens, certificates }: AccessRules): string {
  const ways = [
    ...(tokens === null ? [] : ["send `Authorization: Bearer TOKEN`"]),
    ...(certificates ? ["connect with a client certificate of the deployment's authority"] : []),
  ];
  return ways.join(", or ");
}
