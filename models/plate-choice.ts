/** Which of the texts on a vehicle is its number plate, by signs that hold in any country. */
import type { CtcText } from "./ctc.ts";
import type { TurnedRectangle } from "./geometry.ts";
import { boundsAt, corners } from "./geometry.ts";

/** A line of text that was read, reduced to capitals and digits: plates have no others. */
export interface ReadLine {
  readonly rectangle: TurnedRectangle;
  readonly text: string;
  /** Mean probability of the characters in `text`, from 0 to 1; 0 when there are none. */
  readonly confidence: number;
}

/** How usual a plate of each length is; a longer one counts 0.1. */
const BY_LENGTH = [0, 0, 0.1, 0.3, 0.7, 0.95, 1, 1, 1, 0.8, 0.5];
/** Words are mostly makers and dealers, numbers mostly telephones and dates. */
const ONE_KIND = 0.5;

/** Accents are dropped; small letters are seals, slogans and dealers. */
export function plateLine(rectangle: TurnedRectangle, { text, probabilities }: CtcText): ReadLine {
  let kept = "";
  let sum = 0;
  [...text].forEach((character, i) => {
    const [plain = ""] = character.normalize("NFKD");
    if (!/[A-Z0-9]/.test(plain)) return;
    kept += plain;
    sum += probabilities[i]!;
  });
  return { rectangle, text: kept, confidence: sum / Math.max(kept.length, 1) };
}

/** How much a line is like a plate, from 0 to 1: its confidence, weighted by length and kind. */
export function plateLikeness({ text, confidence }: Pick<ReadLine, "text" | "confidence">): number {
  const byKind = /\d/.test(text) && /[A-Z]/.test(text) ? 1 : ONE_KIND;
  return confidence * (BY_LENGTH[text.length] ?? 0.1) * byKind;
}

/** The lines of a plate's shape, largest first. */
export function plateCandidates(
  lines: readonly TurnedRectangle[],
  maxCount: number,
): readonly TurnedRectangle[] {
  return lines
    .filter(({ width, height }) => width > 1.2 * height && width < 12 * height)
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .slice(0, maxCount);
}

/** The likeliest line or pair of short lines above each other; undefined when none has text. */
export function choosePlate(lines: readonly ReadLine[]): ReadLine | undefined {
  const stacked = lines.flatMap((upper) =>
    lines.filter((lower) => isBelow(upper, lower)).map((lower) => stack(upper, lower)),
  );
  let best: ReadLine | undefined;
  for (const line of [...lines, ...stacked]) {
    if (plateLikeness(line) > (best === undefined ? 0 : plateLikeness(best))) best = line;
  }
  return best;
}

/** Whether the middle of `inner` lies on `line`. */
export function holdsMiddle(line: TurnedRectangle, inner: TurnedRectangle): boolean {
  const { along, across } = offset(line, inner);
  return Math.abs(along) < line.width / 2 && Math.abs(across) < line.height / 2;
}

function isBelow(upper: ReadLine, lower: ReadLine): boolean {
  const [a, b] = [upper.rectangle, lower.rectangle];
  const { along, across } = offset(a, b);
  const [low, tall] = [Math.min(a.height, b.height), Math.max(a.height, b.height)];
  const isShort = upper.text.length <= 4 && lower.text.length <= 5;
  const isAlike = low > 0.6 * tall && Math.abs(a.angle - b.angle) < 0.25;
  const isNext = across > 0.6 * tall && across < 1.8 * tall && Math.abs(along) < 1.5 * tall;
  return isShort && isAlike && isNext;
}

function stack(upper: ReadLine, lower: ReadLine): ReadLine {
  const [a, b] = [upper.rectangle, lower.rectangle];
  return {
    rectangle: boundsAt([...corners(a), ...corners(b)], a.width > b.width ? a.angle : b.angle),
    text: upper.text + lower.text,
    confidence: Math.min(upper.confidence, lower.confidence),
  };
}

/**
 * O and 0 look alike on plates, and letters and digits come in groups: at an end, one of them is
 * taken to be of its neighbour's kind, as a lone 0 or O is rarer than one that ends a group.
 */
export function withLikelyEnds(text: string): string {
  const letters = text.replace(/^0(?=[A-Z])|(?<=[A-Z])0$/g, "O");
  return letters.replace(/^O(?=\d)|(?<=\d)O$/g, "0");
}

/** From centre to centre, along and across the first one's angle. */
function offset(from: TurnedRectangle, to: TurnedRectangle): { along: number; across: number } {
  const [dx, dy] = [to.centre[0] - from.centre[0], to.centre[1] - from.centre[1]];
  const [cos, sin] = [Math.cos(from.angle), Math.sin(from.angle)];
  return { along: dx * cos + dy * sin, across: dy * cos - dx * sin };
}
