import { z } from "zod";
import { scenarioSchema } from "./schema.ts";
import { isSectionFile, SECTIONS } from "./sections.ts";

/**
 * The JSON Schema (draft 2020-12) of a scenario file, from the schema that the parser uses. Every
 * section may also be the path of a file that holds it.
 */
export function scenarioJsonSchema(): Readonly<Record<string, unknown>> {
  const schema = z.toJSONSchema(scenarioSchema, { target: "draft-2020-12", io: "input" });
  const sections = schema.properties ?? {};
  const file = {
    type: "string",
    pattern: "\\.(ya?ml|json)$",
    description: "a file that holds this section; its path starts at the scenario file's folder",
  };
  const properties = Object.fromEntries(
    Object.entries(sections).map(([name, section]) => {
      const inFile = SECTIONS.has(name) && isSectionFile(name, "section.yaml");
      return [name, inFile ? { anyOf: [section, file] } : section];
    }),
  );
  return { ...schema, title: "Tandem scenario", properties };
}
