/** The entry of a scheduler's parameter, by its kind. */
import type { SchedulerParameter } from "../../library/browser.ts";
import { NumberEntry, SelectEntry, TextEntry } from "./entries.tsx";

interface ParameterEntryProps {
  readonly parameter: SchedulerParameter;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

export function ParameterEntry({ parameter, value, onChange }: ParameterEntryProps) {
  const { name, unit, kind, minimum, maximum, values = [], description } = parameter;
  switch (kind) {
    case "number":
    case "whole number":
      return (
        <NumberEntry
          label={unit === "" ? name : `${name} (${unit})`}
          about={description}
          value={typeof value === "number" ? value : Number.NaN}
          least={minimum}
          most={maximum}
          {...(kind === "whole number" ? { step: 1 } : {})}
          onChange={onChange}
        />
      );
    case "switch":
    case "choice":
      return (
        <SelectEntry
          label={name}
          about={description}
          value={String(value ?? "")}
          options={kind === "switch" ? ["true", "false"] : values}
          onChange={(text) => onChange(kind === "switch" ? text === "true" : text)}
        />
      );
    case "other":
      return (
        <TextEntry
          label={`${name}: ${description} (JSON)`}
          value={typeof value === "string" ? value : JSON.stringify(value ?? null)}
          onChange={(text) => onChange(parsed(text))}
        />
      );
  }
}

/** While it is being typed it may be no JSON yet. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
