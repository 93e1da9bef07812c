/** What is read on plates but is no character of theirs: seals and the letters of a country. */
import type { LineCharacter } from "./ocr.ts";

/** A reader is seldom so sure of what is no character. */
const SURE = 0.93;
/** Bands have darker paper than the line's by this share of the contrast. */
const BAND = 0.5;
/** Seals have lighter ink than the line's by this share of the contrast. */
const SEAL = 0.35;
/** What seals are taken for. */
const ROUND: ReadonlySet<string> = new Set("0235689ABCDEGHKOQRSU");
/** Seals hang after the first character at the earliest, and after the fourth at the latest. */
const LAST_SEAL = 4;
/** Characters of a band at most. */
const MAX_BAND = 3;

/** The characters that are a plate's own. */
export function withoutMarks(characters: readonly LineCharacter[]): readonly LineCharacter[] {
  const isBand = ({ darkerPaper, probability }: LineCharacter) =>
    darkerPaper > BAND && probability < SURE;
  const first = runLength(characters, isBand);
  const last = runLength(characters.toReversed(), isBand);
  const own = characters.slice(first, characters.length - last);
  return own.filter((character, i) => {
    const isBetween = i > 0 && i <= LAST_SEAL && i < own.length - 1;
    return !(isBetween && character.probability < SURE && isLikeSeal(character));
  });
}

function isLikeSeal({ character, isSmall, lighterInk }: LineCharacter): boolean {
  return isSmall || (ROUND.has(character) && lighterInk >= SEAL);
}

function runLength<T>(items: readonly T[], holds: (item: T) => boolean): number {
  const end = items.findIndex((item) => !holds(item));
  return end < 0 || end > MAX_BAND ? 0 : end;
}
