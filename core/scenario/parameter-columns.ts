/** The swept parameters as columns of a table: one for each path, with a type for all its values. */
import type { Parameter } from "../results.ts";
import { sweptValues } from "./axes.ts";
import { parameterOf } from "./configuration-id.ts";
import type { ScenarioDocument } from "./schema.ts";

export interface ParameterColumn {
  readonly path: string;
  readonly type: "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

/** In the order in which the sweep names them. */
export function parameterColumns(sweep: ScenarioDocument["sweep"]): readonly ParameterColumn[] {
  return [...sweptValues(sweep)].map(([path, values]) => ({
    path,
    type: typeOf(values.map(parameterOf)),
  }));
}

function typeOf(values: readonly Parameter[]): ParameterColumn["type"] {
  const kinds = new Set(values.filter((value) => value !== null).map((value) => typeof value));
  if (kinds.size !== 1) return "VARCHAR";
  return kinds.has("number") ? "DOUBLE" : kinds.has("boolean") ? "BOOLEAN" : "VARCHAR";
}
