/** A slider with its label and its value. */
import { useId } from "react";
import "./scale.css";

export interface ScaleProps {
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
