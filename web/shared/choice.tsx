/** One of several options, from a list that opens. */
import {
  Button,
  Label,
  ListBox,
  ListBoxItem,
  Popover,
  Select,
  SelectValue,
  Text,
} from "react-aria-components";

export interface Option {
  readonly id: string;
  readonly name: string;
  /** A line below the name. */
  readonly about?: string;
}

export interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly options: readonly Option[];
  readonly onChange: (id: string) => void;
  readonly isDisabled?: boolean;
}

export function Choice({ label, value, options, onChange, isDisabled = false }: ChoiceProps) {
  return (
    <Select
      className="field"
      selectedKey={value}
      isDisabled={isDisabled}
      onSelectionChange={(key) => key !== null && onChange(String(key))}
    >
      <Label>{label}</Label>
      <Button className="choice">
        <SelectValue className="chosen">{({ selectedText }) => selectedText}</SelectValue>
        <span aria-hidden="true">▾</span>
      </Button>
      <Popover className="popover">
        <ListBox className="options" items={options}>
          {({ id, name, about }) => (
            <ListBoxItem id={id} textValue={name} className="option">
              <Text slot="label">{name}</Text>
              {about === undefined ? null : <Text slot="description">{about}</Text>}
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  );
}
