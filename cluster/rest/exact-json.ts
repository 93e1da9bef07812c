/** JSON whose whole numbers beyond 2^53 are bigints, both ways. */
import { parse, stringify } from "lossless-json";

/** Only texts with so many digits in a row can have a number that JSON.parse would round. */
const MANY_DIGITS = /\d{16}/;
/** 2^64 has 20 digits; a number of more is nobody's, and making a bigint of millions takes long. */
const MOST_DIGITS = 20;
const WHOLE = new RegExp(`^-?\\d{1,${MOST_DIGITS}}$`);

/** Throws an Error for what is no JSON. */
export function exactJson(text: string): unknown {
  // The last of two equal keys counts, as with JSON.parse.
  return MANY_DIGITS.test(text)
    ? parse(text, null, { parseNumber: exactNumber, onDuplicateKey: ({ newValue }) => newValue })
    : JSON.parse(text);
}

function exactNumber(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) || !WHOLE.test(text) ? number : BigInt(text);
}

export function exactText(value: object): string {
  return stringify(value) as string;
}
