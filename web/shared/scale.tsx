/** A slider with its label and its value. */
import { Label, Slider, SliderOutput, SliderThumb, SliderTrack } from "react-aria-components";
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
  const { shown = `${value}${unit === "×" ? "" : " "}${unit}`, onChange } = rest;
  return (
    <Slider
      className="scale"
      value={value}
      minValue={Math.min(least, value)}
      maxValue={Math.max(most, value)}
      step={step}
      onChange={(next) => onChange(tidy(next as number))}
    >
      <Label>{label}</Label>
      <SliderOutput>{() => shown}</SliderOutput>
      <SliderTrack className="rail">
        <SliderThumb className="knob" />
      </SliderTrack>
    </Slider>
  );
}

/** Without the traces of binary fractions: 0.30000000000000004 is 0.3. */
export function tidy(value: number): number {
  return Number(value.toPrecision(12));
}
