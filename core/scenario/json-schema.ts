import { z } from "zod";
import { type JsonSchema, type JsonSchemas, type PathSchemas, pathSchemas } from "./path-schema.ts";
import { gridSchema, pointSchema, rangeSchema } from "./schema/run.ts";
import { schedulerSchema } from "./schema/scheduler.ts";
import { scenarioSchema } from "./schema.ts";
import { isSectionFile } from "./sections.ts";
import { NOT_SWEPT } from "./variant.ts";

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
