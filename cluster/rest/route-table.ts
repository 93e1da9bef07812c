/** Finds the route of a method and a path. */
import { Fault } from "../../core/fault.ts";
import type { Route } from "./route.ts";

export type Found =
  | { readonly kind: "route"; readonly route: Route; readonly params: Record<string, string> }
  | { readonly kind: "wrong-method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

interface Entry {
  readonly route: Route;
  readonly segments: readonly string[];
}

export class RouteTable {
  /** By the number of segments, those without parameters first. */
  readonly #byLength = new Map<number, Entry[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const segments = segmentsOf(route.path);
      const entries = this.#byLength.get(segments.length) ?? [];
      entries.push({ route, segments });
      entries.sort((a, b) => parameters(a) - parameters(b));
      this.#byLength.set(segments.length, entries);
    }
  }

  /** Throws Fault("invalid-input") for a parameter that is not well encoded. */
  find(method: string, path: string): Found {
    const segments = segmentsOf(path);
    const allowed = new Set<string>();
    for (const entry of this.#byLength.get(segments.length) ?? []) {
      if (!matches(entry.segments, segments)) continue;
      if (entry.route.method === method) {
        return { kind: "route", route: entry.route, params: paramsOf(entry.segments, segments) };
      }
      allowed.add(entry.route.method);
    }
    return allowed.size > 0 ? { kind: "wrong-method", allowed: [...allowed] } : { kind: "none" };
  }
}

/** Names of a template's parameters, in order. */
export function parameterNames(path: string): readonly string[] {
  return segmentsOf(path).filter(isParameter).map(nameOf);
}

const isParameter = (segment: string): boolean => segment.startsWith("{");
const nameOf = (segment: string): string => segment.slice(1, -1);
const parameters = ({ segments }: Entry): number => segments.filter(isParameter).length;

/** One slash at the end is allowed, as the protocol's own routes have been written with it. */
function segmentsOf(path: string): string[] {
  const end = path.length > 1 && path.endsWith("/") ? path.length - 1 : path.length;
  return path.slice(1, end).split("/");
}

function matches(template: readonly string[], segments: readonly string[]): boolean {
  for (let i = 0; i < template.length; i++) {
    if (isParameter(template[i]) ? segments[i] === "" : template[i] !== segments[i]) return false;
  }
  return true;
}

function paramsOf(
  template: readonly string[],
  segments: readonly string[],
): Record<string, string> {
  const params: Record<string, string> = {};
  for (let i = 0; i < template.length; i++) {
    if (isParameter(template[i])) params[nameOf(template[i])] = decoded(segments[i]);
  }
  return params;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Fault("invalid-input", `malformed name in the path: ${segment}`);
  }
}
