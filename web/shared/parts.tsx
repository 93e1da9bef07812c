/** Parts of all panels: problems, heads of tables, legends, and labelled entries. */
import { useId } from "react";
import {
  Button,
  FieldError,
  Group,
  Input,
  Label,
  NumberField,
  Text,
  TextField,
} from "react-aria-components";
import type { SchedulerParameter } from "../../library/browser.ts";
import { parsedJson } from "./client.ts";
import "./parts.css";

/** The problem; nothing where all is well. */
export function Problem({ text }: { readonly text: string | null }) {
  if (text === null) return null;
  return (
    <p role="alert" className="bad">
      {text}
    </p>
  );
}

interface HeadProps {
  readonly columns: readonly string[];
  /** Those of numbers. */
  readonly numeric?: readonly string[];
  /** The name of a last column, of buttons that say what they do. */
  readonly hidden?: string;
}

/** The head of a table. */
export function Head({ columns, numeric = [], hidden }: HeadProps) {
  return (
    <thead>
      <tr>
        {columns.map((column) => (
          <th scope="col" key={column} className={numeric.includes(column) ? "numeric" : undefined}>
            {column}
          </th>
        ))}
        {hidden !== undefined && (
          <th scope="col">
            <span className="hidden">{hidden}</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

interface LegendProps {
  readonly series: readonly {
    readonly name: string;
    /** A colour of the style sheet, such as `--accent`. */
    readonly color: string;
    readonly dash?: readonly number[];
  }[];
}

export function Legend({ series }: LegendProps) {
  return (
    <ul className="legend">
      {series.map(({ name, color, dash }) => (
        <li key={name}>
          <svg width="22" height="8" aria-hidden="true">
            <path
              d="M1 4H21"
              stroke={`var(${color})`}
              strokeWidth="2.5"
              strokeDasharray={dash?.join(" ")}
            />
          </svg>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The name of the i-th of six colours that are told apart: Okabe and Ito's, as in the reports. */
export function seriesColour(i: number): string {
  return `--series-${(i % 6) + 1}`;
}

interface NumberEntryProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly least?: number | undefined;
  readonly most?: number | undefined;
  readonly step?: number;
  readonly about?: string;
  readonly isDisabled?: boolean;
}

export function NumberEntry(props: NumberEntryProps) {
  const { label, value, onChange, least = 0, most, step, about, isDisabled = false } = props;
  return (
    <NumberField
      className="field"
      value={value}
      onChange={(next) => onChange(Number.isFinite(next) ? next : least)}
      minValue={least}
      isDisabled={isDisabled}
      formatOptions={{ maximumFractionDigits: 6 }}
      {...(most === undefined ? {} : { maxValue: most })}
      {...(step === undefined ? {} : { step })}
    >
      <Label>{label}</Label>
      <Group className="stepper">
        <Input className="react-aria-Input" />
        <Button slot="decrement">−</Button>
        <Button slot="increment">+</Button>
      </Group>
      {about === undefined ? null : (
        <Text slot="description" className="about">
          {about}
        </Text>
      )}
      <FieldError />
    </NumberField>
  );
}

interface TextEntryProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly type?: "text" | "password";
  readonly inputMode?: "url" | "text";
  readonly about?: string;
}

export function TextEntry({ label, value, onChange, ...of }: TextEntryProps) {
  const { type = "text", inputMode = "text", about } = of;
  return (
    <TextField className="field" value={value} onChange={onChange} type={type} autoComplete="off">
      <Label>{label}</Label>
      <Input className="react-aria-Input" inputMode={inputMode} spellCheck="false" />
      {about !== undefined && (
        <Text slot="description" className="about">
          {about}
        </Text>
      )}
    </TextField>
  );
}

interface Option {
  readonly id: string;
  readonly name: string;
  /** A line below the list while this option is chosen. */
  readonly about?: string;
}

interface SelectEntryProps {
  readonly label: string;
  readonly value: string;
  /** A text is its own id and name. */
  readonly options: readonly (string | Option)[];
  readonly onChange: (id: string) => void;
  readonly about?: string;
}

/** The browser's own list: it is as each device shows lists, and needs no code. */
export function SelectEntry({ label, value, options: given, onChange, ...of }: SelectEntryProps) {
  const id = useId();
  const options = given.map(
    (one): Option => (typeof one === "string" ? { id: one, name: one } : one),
  );
  const about = of.about ?? options.find((one) => one.id === value)?.about;
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select
        id={id}
        value={value}
        onChange={({ target }) => onChange(target.value)}
        {...(about === undefined ? {} : { "aria-describedby": `${id}-about` })}
      >
        {options.map(({ id: key, name }) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
      {about !== undefined && (
        <span id={`${id}-about`} className="about">
          {about}
        </span>
      )}
    </div>
  );
}

interface ScaleProps {
  readonly label: string;
  readonly unit?: string;
  readonly value: number;
  readonly least: number;
  readonly most: number;
  readonly step: number;
  /** In place of the value and its unit. */
  readonly shown?: string;
  readonly onChange: (value: number) => void;
}

/** A slider with its value. */
export function Scale({ label, unit = "", value, least, most, step, ...rest }: ScaleProps) {
  const { shown = `${value}${unit === "×" ? "" : " "}${unit}`.trim(), onChange } = rest;
  const id = useId();
  return (
    <div className="scale">
      <label htmlFor={id}>{label}</label>
      <output htmlFor={id}>{shown}</output>
      <input
        id={id}
        type="range"
        min={Math.min(least, value)}
        max={Math.max(most, value)}
        step={step}
        value={value}
        aria-valuetext={shown}
        onChange={({ target }) => onChange(tidy(target.valueAsNumber))}
      />
    </div>
  );
}

/** Without the traces of binary fractions: 0.30000000000000004 is 0.3. */
export function tidy(value: number): number {
  return Number(value.toPrecision(12));
}

interface ParameterEntryProps {
  readonly parameter: SchedulerParameter;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

/** The entry of a scheduler's parameter, by its kind. */
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
          onChange={(text) => {
            const typed = parsedJson(text);
            // While it is being typed it may be no JSON yet.
            onChange(typed === undefined ? text : typed);
          }}
        />
      );
  }
}
