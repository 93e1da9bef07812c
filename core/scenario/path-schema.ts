/**
 * The paths that a sweep may set, as JSON Schema. A path of keys alone is a property, so that an
 * editor completes it; one through names of the user's own is a pattern.
 */
import type { z } from "zod";
import { unreachable } from "../fault.ts";

export type JsonSchema = z.core.JSONSchema.JSONSchema;
export type JsonSchemas = Readonly<Record<string, JsonSchema>>;

/** By path: the value that may stand there, as references into the whole schema. */
export interface PathSchemas {
  readonly properties: JsonSchemas;
  readonly patternProperties: JsonSchemas;
}

interface Node {
  readonly schema: JsonSchema;
  /** JSON pointer of the schema. */
  readonly pointer: string;
}

/** A node below another: at a key, in a list, or at a name of the user's own. */
interface Child extends Node {
  readonly step:
    | { readonly kind: "key"; readonly key: string }
    | { readonly kind: "index" | "name" };
}

interface Path {
  /** Regular expression of the path. */
  readonly whole: string;
  /** The same where more follows. */
  readonly start: string;
  /** As typed, where no name and no index is on it. */
  readonly literal: string | undefined;
}

/** A path, and each schema that it leads to, once. */
interface Place {
  readonly path: Path;
  readonly nodes: Node[];
}

/** `sections` stand at `#/properties` of the whole schema, `definitions` at `#/$defs`. */
export function pathSchemas(sections: JsonSchemas, definitions: JsonSchemas): PathSchemas {
  const found = new Map<string, Place>();
  const collect = (node: Node, above: Path | undefined): void => {
    for (const child of childrenOf(node, definitions)) {
      const path = pathTo(child, above, definitions);
      const place = found.get(path.whole) ?? { path, nodes: [] };
      found.set(path.whole, place);
      const content = JSON.stringify(child.schema);
      if (place.nodes.some(({ schema }) => JSON.stringify(schema) === content)) continue;
      place.nodes.push(child);
      collect(child, path);
    }
  };
  collect({ schema: { properties: sections }, pointer: "#" }, undefined);
  const properties: Record<string, JsonSchema> = {};
  const patternProperties: Record<string, JsonSchema> = {};
  for (const { path, nodes } of found.values()) {
    if (path.literal === undefined) patternProperties[`^${path.whole}$`] = eitherOf(nodes);
    else properties[path.literal] = eitherOf(nodes);
  }
  return { properties, patternProperties };
}

function eitherOf(nodes: readonly Node[]): JsonSchema {
  const schemas = nodes.map(({ pointer }) => ({ $ref: pointer }));
  return schemas.length === 1 ? schemas[0] : { anyOf: schemas };
}

function childrenOf({ schema, pointer }: Node, definitions: JsonSchemas): Child[] {
  const children: Child[] = [];
  const add = (at: string, found: z.core.JSONSchema._JSONSchema, step: Child["step"]): void => {
    if (typeof found !== "object") return;
    children.push({ schema: found, pointer: `${pointer}/${at}`, step });
  };
  for (const kind of ["anyOf", "oneOf"] as const) {
    for (const [i, option] of (schema[kind] ?? []).entries()) {
      const node = { schema: option, pointer: `${pointer}/${kind}/${i}` };
      children.push(...childrenOf(node, definitions));
    }
  }
  const definition = definitions[schema.$ref?.replace("#/$defs/", "") ?? ""];
  if (definition !== undefined) {
    children.push(...childrenOf({ schema: definition, pointer: schema.$ref ?? "" }, definitions));
  }
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    add(`properties/${key}`, property, { kind: "key", key });
  }
  for (const [i, item] of (schema.prefixItems ?? []).entries()) {
    add(`prefixItems/${i}`, item, { kind: "key", key: String(i) });
  }
  const { additionalProperties = false, items = false } = schema;
  add("additionalProperties", additionalProperties, { kind: "name" });
  if (!Array.isArray(items)) add("items", items, { kind: "index" });
  return children;
}

function pathTo(child: Child, above: Path | undefined, definitions: JsonSchemas): Path {
  const { step } = child;
  const start = above === undefined ? "" : `${above.start}\\.`;
  switch (step.kind) {
    case "key": {
      const whole = start + step.key;
      if (above === undefined) return { whole, start: whole, literal: step.key };
      const { literal } = above;
      return { whole, start: whole, literal: literal && `${literal}.${step.key}` };
    }
    case "index":
      return { whole: `${start}\\d+`, start: `${start}\\d+`, literal: undefined };
    case "name": {
      const whole = start + lastName(childrenOf(child, definitions));
      return { whole, start: `${start}.+`, literal: undefined };
    }
    default:
      return unreachable(step);
  }
}

/**
 * A name may hold dots. Where it ends a path, its entry's own keys are no part of it, or it would
 * take in all that is mistyped: `models.a.service.meenMs` is no model called `a.service.meenMs`.
 */
function lastName(entries: readonly Child[]): string {
  const keys = entries.flatMap(({ step }) => (step.kind === "key" ? [step.key] : []));
  if (keys.length === 0) return ".+";
  return `[^.]+(\\.(?!(${[...new Set(keys)].join("|")})(\\.|$))[^.]+)*`;
}
