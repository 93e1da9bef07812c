import { shortDigest } from "../sha256.ts";

/** JSON with the keys of every mapping in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const entries = Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return Object.fromEntries(entries);
  });
}

/** The first 16 hex digits of the SHA-256 of a value's canonical JSON. */
export function digestOf(value: unknown): string {
  return shortDigest([canonicalJson(value)]);
}
