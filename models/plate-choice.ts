/** Which of the texts on a vehicle is its number plate. */
import type { TurnedRectangle } from "./geometry.ts";
import { boundsAt, corners } from "./geometry.ts";
import type { LineCharacter } from "./ocr.ts";
import { withoutMarks } from "./plate-marks.ts";
import type { PlateText } from "./plate-syntax.ts";
import { plateText } from "./plate-syntax.ts";

/** Rectangles whose ends or edges differ by more, in heights of a line, may read otherwise. */
const OTHER_ENDS = 0.25;
const OTHER_EDGES = 0.12;
/** What is so like a plate is read right, but for ends that were cut off. */
const SURE_LIKENESS = 0.9;

/** A line of text that was read, as a plate's. */
export interface ReadLine extends PlateText {
  readonly characters: readonly LineCharacter[];
  /** Which share of its characters are small letters. */
  readonly smallShare: number;
  readonly rectangle: TurnedRectangle;
  /** How much it is where plates are, from 0 to 1; between lines alike it decides. */
  readonly place: number;
}

/** The line's characters without seals and bands, in the likeliest order. */
export function plateLine(
  rectangle: TurnedRectangle,
  characters: readonly LineCharacter[],
  place: number,
): ReadLine {
  return lineOf(rectangle, withoutMarks(characters), place);
}

function lineOf(
  rectangle: TurnedRectangle,
  characters: readonly LineCharacter[],
  place: number,
): ReadLine {
  const small = characters.filter(({ isSmall }) => isSmall).length;
  const smallShare = small / Math.max(characters.length, 1);
  return { ...plateText(characters), characters, smallShare, rectangle, place };
}

/**
 * How much a line is like a plate, from 0 to 1: confidence, weighted down for lengths and orders
 * that plates do not have and for texts without a digit or without a letter (names of makers and
 * dealers).
 */
export function plateLikeness(line: PlateText & Pick<ReadLine, "smallShare">): number {
  const { text, confidence, isUsual, smallShare } = line;
  const byLength = [0, 0, 0.1, 0.3, 0.7, 0.95, 1, 1, 1, 0.8, 0.5][text.length] ?? 0.1;
  const byDigits = /\d/.test(text) ? 1 : 0.3;
  const byLetters = /[A-Z]/.test(text) ? 1 : 0.5;
  const byOrder = isUsual ? 1 : 0.85;
  return confidence * byLength * byDigits * byLetters * byOrder * (1 - smallShare);
}

/** Lines to read, likeliest first: those of a plate's shape, and pieces of one line joined. */
export function plateCandidates(
  lines: readonly TurnedRectangle[],
  maxCount: number,
): readonly TurnedRectangle[] {
  const aspect = ({ width, height }: TurnedRectangle) => width / height;
  const area = ({ width, height }: TurnedRectangle) => width * height;
  const joined = lines.flatMap((left) =>
    lines.filter((right) => continues(left, right)).map((right) => join(left, right)),
  );
  return [...lines, ...joined]
    .filter((line) => aspect(line) > 1.2 && aspect(line) < 12)
    .sort((a, b) => area(b) - area(a))
    .slice(0, maxCount);
}

/**
 * Whether `right` goes on where `left` ends: same height, same line, a gap of at most a character.
 */
function continues(left: TurnedRectangle, right: TurnedRectangle): boolean {
  const { along, across } = offset(left, right);
  const tall = Math.max(left.height, right.height);
  const gap = along - (left.width + right.width) / 2;
  return (
    along > 0 &&
    isAlike(left, right) &&
    Math.abs(across) < 0.4 * tall &&
    gap < tall &&
    gap > -0.6 * tall
  );
}

/**
 * Whether `line` holds the middle of `inner` and is worth reading besides: it goes on beyond its
 * ends or, where `inner` was not read for sure, is otherwise another rectangle.
 */
export function refines(inner: ReadLine, line: TurnedRectangle): boolean {
  const { along, across } = offset(line, inner.rectangle);
  const { width, height } = inner.rectangle;
  if (Math.abs(along) >= line.width / 2 || Math.abs(across) >= line.height / 2) return false;
  const beyond = Math.abs(along) + (line.width - width) / 2;
  if (beyond > OTHER_ENDS * line.height) return true;
  if (plateLikeness(inner) >= SURE_LIKENESS) return false;
  const shorter = Math.abs(line.width - width) / 2;
  const edges = Math.abs(across) + Math.abs(line.height - height) / 2;
  return shorter > OTHER_ENDS * line.height || edges > OTHER_EDGES * line.height;
}

/**
 * The best single line or pair of lines above each other; undefined when nothing is like a plate.
 */
export function choosePlate(lines: readonly ReadLine[], minLikeness: number): ReadLine | undefined {
  const stacked = lines.flatMap((upper) =>
    lines.filter((lower) => isBelow(upper, lower)).map((lower) => stack(upper, lower)),
  );
  let best: ReadLine | undefined;
  for (const line of [...lines, ...stacked]) {
    if (plateLikeness(line) < minLikeness) continue;
    if (best === undefined || rank(line) > rank(best)) best = line;
  }
  return best;
}

/** Likeness, where the line is also in a plate's place. */
export function rank(line: ReadLine): number {
  return plateLikeness(line) * line.place;
}

function isBelow(upper: ReadLine, lower: ReadLine): boolean {
  const { along, across } = offset(upper.rectangle, lower.rectangle);
  const tall = Math.max(upper.rectangle.height, lower.rectangle.height);
  const isShort = upper.characters.length <= 4 && lower.characters.length <= 5;
  return (
    isShort &&
    isAlike(upper.rectangle, lower.rectangle) &&
    across > 0.6 * tall &&
    across < 1.8 * tall &&
    Math.abs(along) < 1.5 * tall
  );
}

function stack(upper: ReadLine, lower: ReadLine): ReadLine {
  const line = lineOf(
    join(upper.rectangle, lower.rectangle),
    [...upper.characters, ...lower.characters],
    Math.max(upper.place, lower.place),
  );
  return { ...line, confidence: Math.min(upper.confidence, lower.confidence, line.confidence) };
}

function isAlike(a: TurnedRectangle, b: TurnedRectangle): boolean {
  const ratio = a.height / b.height;
  return ratio > 0.6 && ratio < 1.67 && Math.abs(a.angle - b.angle) < 0.25;
}

/** From centre to centre, along and across the first one's angle. */
function offset(from: TurnedRectangle, to: TurnedRectangle): { along: number; across: number } {
  const [dx, dy] = [to.centre[0] - from.centre[0], to.centre[1] - from.centre[1]];
  const [cos, sin] = [Math.cos(from.angle), Math.sin(from.angle)];
  return { along: dx * cos + dy * sin, across: dy * cos - dx * sin };
}

function join(a: TurnedRectangle, b: TurnedRectangle): TurnedRectangle {
  return boundsAt([...corners(a), ...corners(b)], a.width > b.width ? a.angle : b.angle);
}
