/**
 * Which characters of a line are written in its ink: plates carry seals between their characters
 * and a country's letters on a coloured band, which a reader of text reads along.
 */
import type { RgbImage } from "./image.ts";

/** What a character's columns hold, from 0 to 255. */
interface Tone {
  /** The darkest part, in the channel that is lightest there: low for black, not for colours. */
  readonly ink: number;
  /** The lightest part, in the channel that is darkest there: high for white, not for colours. */
  readonly paper: number;
}

/** A character's ink may be lighter than the others' by this share of the contrast. */
const MAX_LIGHTER = 0.4;
/** The paper behind a character may be darker than the others' by this share of the contrast. */
const MAX_DARKER = 0.5;
/** Characters are this much of the line's height apart at most. */
const WIDEST = 0.5;
/** What seals are taken for. */
const ROUND: ReadonlySet<string> = new Set("0235689BCDEGOQRSabdeg");
/** Rows at both edges belong to the plate's frame. */
const EDGE = 0.2;
/** A line of so few characters does not tell what is usual in it. */
const MIN_CHARACTERS = 4;
/** Below this contrast, of 255, noise decides. */
const MIN_CONTRAST = 30;

/**
 * For each character, with its centre in pixels of the line's picture, whether it has the line's ink
 * on the line's paper.
 */
export function inLineInk(
  line: RgbImage,
  characters: readonly string[],
  centres: readonly number[],
): readonly boolean[] {
  if (centres.length < MIN_CHARACTERS) return centres.map(() => true);
  const isDark = isLightOnDark(line);
  const tones = centres.map((centre, i) => {
    const gaps = [centres[i - 1], centres[i + 1]].flatMap((other) =>
      other === undefined ? [] : [Math.abs(other - centre)],
    );
    const half = Math.max(2, Math.min(...gaps, WIDEST * line.height) / 2);
    return toneOf(line, centre - half, centre + half, isDark);
  });
  const ink = median(tones.map((tone) => tone.ink));
  const paper = median(tones.map((tone) => tone.paper));
  const contrast = paper - ink;
  if (contrast < MIN_CONTRAST) return centres.map(() => true);
  return tones.map((tone, i) => {
    const isSeal = ROUND.has(characters[i]!) && tone.ink - ink > MAX_LIGHTER * contrast;
    return !isSeal && paper - tone.paper <= MAX_DARKER * contrast;
  });
}

/** Light characters on a dark plate: more of the line is dark than light. */
function isLightOnDark({ rgb }: RgbImage): boolean {
  const histogram = new Uint32Array(256);
  for (let i = 1; i < rgb.length; i += 3) histogram[rgb[i]!]!++;
  const [low, middle, high] = [0.05, 0.5, 0.95].map((share) => quantile(histogram, share));
  return middle! - low! < 0.35 * (high! - low!);
}

function toneOf(line: RgbImage, from: number, to: number, isInverted: boolean): Tone {
  const lightest = new Uint32Array(256);
  const darkest = new Uint32Array(256);
  const [x0, x1] = [Math.max(0, Math.floor(from)), Math.min(line.width, Math.ceil(to))];
  const [y0, y1] = [Math.round(EDGE * line.height), Math.round((1 - EDGE) * line.height)];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const at = (y * line.width + x) * 3;
      const [r, g, b] = [line.rgb[at]!, line.rgb[at + 1]!, line.rgb[at + 2]!];
      const [low, high] = [Math.min(r, g, b), Math.max(r, g, b)];
      lightest[isInverted ? 255 - low : high]!++;
      darkest[isInverted ? 255 - high : low]!++;
    }
  }
  return { ink: quantile(lightest, 0.08), paper: quantile(darkest, 0.75) };
}

/** The value that a share of the counted ones does not exceed. */
function quantile(histogram: Uint32Array, share: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (let value = 0; value < histogram.length; value++) {
    seen += histogram[value]!;
    if (seen >= share * total) return value;
  }
  return histogram.length - 1;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
