import { z } from "zod";
import { isSectionFile } from "./reading/sections.ts";
import { NOT_SWEPT } from "./reading/set-path.ts";
import { gridSchema, pointSchema, rangeSchema } from "./schema/run.ts";
import { scenarioSchema } from "./schema/scenario.ts";
import { schedulerSchema } from "./schema/scheduler.ts";

const FILE: JsonSchema = {
  type: "string",
  pattern: "\\.(ya?ml|json)$",
  description: "a file that holds this section; its path starts at the scenario file's folder",
};

/**
 * The JSON Schema (draft 2020-12) of a scenario file, from the schema that the parser uses. Every
 * section may also be the path of a file that holds it. Core knows no policies: `scheduler` is the
 * schema of that section, with its own `$defs`.
 */
export function scenarioJsonSchema({ $defs, ...scheduler }: JsonSchema): JsonSchema {
  const known = new Map<unknown, JsonSchema>([
    [schedulerSchema, scheduler],
    [pointSchema, { $ref: "#/$defs/point" }],
    [gridSchema, { $ref: "#/$defs/grid" }],
  ]);
  const base = z.toJSONSchema(scenarioSchema, {
    target: "draft-2020-12",
    io: "input",
    override: ({ zodSchema, jsonSchema }) => {
      const better = known.get(zodSchema);
      if (better === undefined) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      Object.assign(jsonSchema, better);
    },
  });
  const sections: Record<string, JsonSchema> = {};
  for (const [name, section] of Object.entries(base.properties as JsonSchemas)) {
    const inFile = isSectionFile(name, "section.yaml");
    sections[name] = inFile ? { anyOf: [section, FILE] } : section;
  }
  const { $schema: _, ...range } = z.toJSONSchema(rangeSchema, { io: "input" });
  const definitions = { ...base.$defs, ...$defs };
  const swept = Object.entries(sections).filter(([name]) => !NOT_SWEPT.has(name));
  const paths = pathSchemas(Object.fromEntries(swept), definitions);
  return {
    ...base,
    title: "Tandem scenario",
    properties: sections,
    $defs: {
      ...definitions,
      range,
      point: byPath(paths, (value) => value),
      grid: byPath(paths, (value) => ({
        anyOf: [{ type: "array", minItems: 1, items: value }, { $ref: "#/$defs/range" }],
      })),
    },
  };
}

function byPath(paths: PathSchemas, form: (value: JsonSchema) => JsonSchema): JsonSchema {
  const formed = (values: JsonSchemas): JsonSchemas =>
    Object.fromEntries(Object.entries(values).map(([path, value]) => [path, form(value)]));
  return {
    type: "object",
    properties: formed(paths.properties),
    patternProperties: formed(paths.patternProperties),
    additionalProperties: false,
  };
}

export type JsonSchema = z.core.JSONSchema.JSONSchema;
export type JsonSchemas = Readonly<Record<string, JsonSchema>>;

/** The values that each path may have, as references into the whole schema. */
interface PathSchemas {
  readonly properties: JsonSchemas;
  readonly patternProperties: JsonSchemas;
}

interface Node {
  readonly schema: JsonSchema;
  /** JSON pointer of the schema. */
  readonly pointer: string;
}

/** A node below another. */
interface Child extends Node {
  /** The key that leads to it, or the regular expression of an index or of a name of the user's own. */
  readonly word: string;
  readonly isKey: boolean;
}

const INDEX = "\\d+";
const NAME = ".+";

/** Each schema that a path leads to, once. */
interface Place {
  /** Whether the path is of keys alone. */
  readonly isFixed: boolean;
  readonly nodes: Node[];
}

/**
 * The paths that a sweep may set. A path of keys alone is a property, so that an editor completes it; one
 * through names that the user chose is a pattern. `sections` stand at `#/properties` of the whole
 * schema, `definitions` at `#/$defs`.
 */
function pathSchemas(sections: JsonSchemas, definitions: JsonSchemas): PathSchemas {
  const found = new Map<string, Place>();
  const collect = (node: Node, before: string, isFixedSoFar: boolean): void => {
    for (const child of childrenOf(node, definitions)) {
      const isFixed = isFixedSoFar && child.isKey;
      const last = child.word === NAME ? lastName(childrenOf(child, definitions)) : child.word;
      const path = before + last;
      const place = found.get(path) ?? { isFixed, nodes: [] };
      found.set(path, place);
      const content = JSON.stringify(child.schema);
      if (place.nodes.some(({ schema }) => JSON.stringify(schema) === content)) continue;
      place.nodes.push(child);
      collect(child, `${before}${child.word}\\.`, isFixed);
    }
  };
  collect({ schema: { properties: sections }, pointer: "#" }, "", true);
  const properties: Record<string, JsonSchema> = {};
  const patternProperties: Record<string, JsonSchema> = {};
  for (const [path, { isFixed, nodes }] of found) {
    if (isFixed) properties[path.replaceAll("\\.", ".")] = eitherOf(nodes);
    else patternProperties[`^${path}$`] = eitherOf(nodes);
  }
  return { properties, patternProperties };
}

function eitherOf(nodes: readonly Node[]): JsonSchema {
  const schemas = nodes.map(({ pointer }) => ({ $ref: pointer }));
  return schemas.length === 1 ? schemas[0] : { anyOf: schemas };
}

function childrenOf({ schema, pointer }: Node, definitions: JsonSchemas): readonly Child[] {
  const child = (
    at: string,
    found: z.core.JSONSchema._JSONSchema,
    word: string,
    isKey = false,
  ): readonly Child[] => {
    if (typeof found !== "object") return [];
    return [{ schema: found, pointer: `${pointer}/${at}`, word, isKey }];
  };
  const options = (["anyOf", "oneOf"] as const).flatMap((kind) =>
    (schema[kind] ?? []).map((option, i) => ({
      schema: option,
      pointer: `${pointer}/${kind}/${i}`,
    })),
  );
  const { $ref = "", properties = {}, prefixItems = [], items = false } = schema;
  const definition = definitions[$ref.replace("#/$defs/", "")];
  if (definition !== undefined) options.push({ schema: definition, pointer: $ref });
  return [
    ...options.flatMap((option) => childrenOf(option, definitions)),
    ...Object.entries(properties).flatMap(([key, of]) => child(`properties/${key}`, of, key, true)),
    ...prefixItems.flatMap((item, i) => child(`prefixItems/${i}`, item, String(i), true)),
    ...child("additionalProperties", schema.additionalProperties ?? false, NAME),
    ...(Array.isArray(items) ? [] : child("items", items, INDEX)),
  ];
}

/**
 * A name may hold dots. At the end of a path it excludes the keys of its entry, or it would match every
 * mistyped key: `models.a.service.meenMs` is no model called `a.service.meenMs`.
 */
function lastName(entries: readonly Child[]): string {
  const keys = entries.filter(({ isKey }) => isKey).map(({ word }) => word);
  if (keys.length === 0) return NAME;
  return `[^.]+(\\.(?!(${[...new Set(keys)].join("|")})(\\.|$))[^.]+)*`;
}
