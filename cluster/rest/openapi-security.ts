/** What OpenAPI says of credentials: how a caller may show them, and which operations ask for any. */
import { type AccessRules, isOpen, type RequiredRole } from "../security/access.ts";

const TOKEN = {
  type: "http",
  scheme: "bearer",
  description: "of `tandem cluster token`; an operation's `x-role` says of which role",
};
const CERTIFICATE = {
  type: "mutualTLS",
  description: "of `tandem cluster certs`: client.crt may infer, admin.crt may do all",
};

/** By name, those that are in use. */
export function securitySchemes(rules: AccessRules): Readonly<Record<string, object>> {
  return {
    ...(rules.tokens === null ? {} : { token: TOKEN }),
    ...(rules.certificates ? { certificate: CERTIFICATE } : {}),
  };
}

/** Any one of these will do; empty: nothing is asked for. */
export function securityOf(role: RequiredRole, rules: AccessRules): readonly object[] {
  if (role === "public" || isOpen(rules)) return [];
  return Object.keys(securitySchemes(rules)).map((name) => ({ [name]: [] }));
}
