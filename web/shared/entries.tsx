/** Labelled entries of numbers, texts and choices. */
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
import "./entries.css";

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
