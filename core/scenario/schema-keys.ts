/** What a schema knows at a path: used for hints only. */
import { z } from "zod";

type Schema = z.core.$ZodType;

/** The keys that a mapping at `path` may have, given the value around it (unions are resolved). */
export function knownKeys(
  schema: Schema,
  value: unknown,
  path: readonly PropertyKey[],
): readonly string[] {
  let schemas = alternatives(schema, value);
  let current = value;
  for (const key of path) {
    current = child(current, key);
    schemas = schemas.flatMap((option) => {
      const next = step(option, key);
      return next === undefined ? [] : alternatives(next, current);
    });
  }
  const keys = schemas.flatMap((option) =>
    option instanceof z.ZodObject ? Object.keys(option.shape) : [],
  );
  return [...new Set(keys)];
}

/** The value at one key of a mapping or list, undefined when there is none. */
export function child(value: unknown, key: PropertyKey): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Record<PropertyKey, unknown>)[key];
}

function step(schema: Schema, key: PropertyKey): Schema | undefined {
  if (schema instanceof z.ZodObject) return schema.shape[String(key)];
  if (schema instanceof z.ZodRecord) return schema.def.valueType;
  if (schema instanceof z.ZodArray) return schema.def.element;
  return undefined;
}

function alternatives(schema: Schema, value: unknown): readonly Schema[] {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return alternatives(schema.def.innerType, value);
  }
  if (!(schema instanceof z.ZodUnion)) return [schema];
  const options = schema.def.options.flatMap((option) => alternatives(option, value));
  const chosen = options.filter((option) => literalsMatch(option, value));
  return chosen.length > 0 ? chosen : options;
}

/** True when every literal field (a discriminator) that the value gives has the right value. */
function literalsMatch(option: Schema, value: unknown): boolean {
  if (!(option instanceof z.ZodObject)) return false;
  return Object.entries(option.shape).every(([key, field]) => {
    const given = child(value, key);
    const literal = field instanceof z.ZodLiteral;
    return !literal || given === undefined || field.values.has(given as z.core.util.Literal);
  });
}
