/** Labelled entries of numbers and texts. */
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

interface NumberEntryProps {
  readonly label: string;
  readonly value: number;
  readonly onChange: (value: number) => void;
  readonly least?: number;
  readonly most?: number;
  readonly step?: number;
  readonly about?: string;
  readonly isDisabled?: boolean;
}

export function NumberEntry(props: NumberEntryProps) {
  const { label, value, onChange, least = 0, most, step, about, isDisabled = false } = props;
  return (
    <NumberField
      className="field number"
      value={value}
      onChange={(next) => onChange(Number.isFinite(next) ? next : least)}
      minValue={least}
      isDisabled={isDisabled}
      formatOptions={{ maximumFractionDigits: 3 }}
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
}

export function TextEntry({
  label,
  value,
  onChange,
  type = "text",
  inputMode = "text",
}: TextEntryProps) {
  return (
    <TextField className="field" value={value} onChange={onChange} type={type} autoComplete="off">
      <Label>{label}</Label>
      <Input className="react-aria-Input" inputMode={inputMode} spellCheck="false" />
    </TextField>
  );
}
