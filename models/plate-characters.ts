/** From a text recogniser's output to the characters that plates have: A to Z and 0 to 9. */

/** One character of a line, with what else it could be. */
export interface PlateCharacter {
  /** A to Z or 0 to 9. */
  readonly character: string;
  /** From 0 to 1. */
  readonly probability: number;
  /** Whether it is more like a small letter; plates have none. */
  readonly isSmall: boolean;
  /** The step at which it is most probable. */
  readonly step: number;
  /** The likeliest of the other kind there: a digit for a letter, a letter for a digit. */
  readonly other: { readonly character: string; readonly probability: number };
}

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS = 10;
const SIZE = ALPHABET.length;
/** What plates do not have is taken for the likeliest that they have, if it is this probable. */
const MIN_GUESS = 0.15;

/** Small letters that are not just small forms of their capitals. */
const SMALL = /^[abdefghijmnqrt]$/;

/** What each class after the blank is to a plate. */
export interface PlateClasses {
  /** Its place in the alphabet, or -1. */
  readonly places: Int8Array;
  /** Punctuation and spaces stand between a plate's characters, and are none. */
  readonly separators: readonly boolean[];
  readonly small: readonly boolean[];
}

/** The classes of a recogniser's characters. */
export function plateClasses(characters: readonly string[]): PlateClasses {
  return {
    places: Int8Array.from(characters, placeOf),
    separators: characters.map((character) => !/[\p{L}\p{N}]/u.test(character)),
    small: characters.map((character) => SMALL.test(character)),
  };
}

/** A small letter stands for its capital, but l for I; marks above letters do not count. */
function placeOf(character: string): number {
  if (character === "l") return ALPHABET.indexOf("I");
  const plain = character.normalize("NFKD").replace(/\p{M}/gu, "").toUpperCase();
  return plain.length === 1 ? ALPHABET.indexOf(plain) : -1;
}

/**
 * Best path over the alphabet: forms of one character add up. `data` [steps,classes], the blank
 * first.
 */
export function plateCharacters(
  data: Float32Array,
  { places, separators, small }: PlateClasses,
): readonly PlateCharacter[] {
  const count = places.length + 1;
  const found: PlateCharacter[] = [];
  const sums = new Float32Array(SIZE);
  let previous = -1;
  for (let offset = 0; offset + count <= data.length; offset += count) {
    const best = strongest(data, offset, count);
    const isGap = best === 0 || separators[best - 1] === true;
    sums.fill(0);
    if (!isGap) addForms(data, offset, places, sums);
    const chosen = isGap ? -1 : strongest(sums, 0, SIZE);
    const isGuess = !isGap && places[best - 1] === -1;
    const at = chosen >= 0 && isGuess && sums[chosen]! < MIN_GUESS ? -1 : chosen;
    if (at >= 0 && (at !== previous || sums[at]! > found.at(-1)!.probability)) {
      if (at === previous) found.pop();
      found.push(characterAt(sums, at, offset / count, small[best - 1]!));
    }
    previous = at;
  }
  return found;
}

function strongest(values: Float32Array, from: number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (values[from + k]! > values[from + best]!) best = k;
  return best;
}

function addForms(data: Float32Array, offset: number, places: Int8Array, to: Float32Array): void {
  for (let k = 0; k < places.length; k++) {
    const at = places[k]!;
    if (at >= 0) to[at]! += data[offset + k + 1]!;
  }
}

function characterAt(
  sums: Float32Array,
  at: number,
  step: number,
  isSmall: boolean,
): PlateCharacter {
  const isDigit = at < DIGITS;
  const other = isDigit
    ? DIGITS + strongest(sums, DIGITS, SIZE - DIGITS)
    : strongest(sums, 0, DIGITS);
  return {
    character: ALPHABET[at]!,
    probability: Math.min(sums[at]!, 1),
    isSmall,
    step,
    other: { character: ALPHABET[other]!, probability: sums[other]! },
  };
}
