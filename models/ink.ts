/**
 * How a line's characters differ in ink and paper: plates carry seals between their characters and
 * a country's letters on a coloured band, which a reader of text reads along.
 */
import type { RgbImage } from "./image.ts";

/** How a character differs from the line's others, in shares of the contrast of ink and paper. */
export interface Tone {
  /** By how much its ink is lighter; seals are. */
  readonly lighterInk: number;
  /** By how much its paper is darker; bands are. */
  readonly darkerPaper: number;
}

/** What a character's columns hold, from 0 to 255 as on white paper. */
interface Shade {
  /** The darkest part, in the channel that is lightest there: low for black, not for colours. */
  readonly ink: number;
  /** The lightest part, in the channel that is darkest there: high for paper, not for colours. */
  readonly paper: number;
}

const SAME: Tone = { lighterInk: 0, darkerPaper: 0 };
/** Characters are this much of the line's height apart at most. */
const WIDEST = 0.5;
/** Rows at both edges belong to the plate's frame. */
const EDGE = 0.2;
/** A line of so few characters does not tell what is usual in it. */
const MIN_CHARACTERS = 4;
/** Below this contrast, of 255, noise decides. */
const MIN_CONTRAST = 40;
/** A channel that the paper reflects so much less than its best one tells nothing: blue on yellow. */
const MIN_REFLECTION = 0.5;

/** For each character, with its centre in pixels of the line's picture, how it differs. */
export function tonesOf(line: RgbImage, centres: readonly number[]): readonly Tone[] {
  if (centres.length < MIN_CHARACTERS) return centres.map(() => SAME);
  const table = onWhitePaper(line);
  const shades = centres.map((centre, i) => {
    const gaps = [centres[i - 1], centres[i + 1]].flatMap((other) =>
      other === undefined ? [] : [Math.abs(other - centre)],
    );
    const half = Math.max(2, Math.min(...gaps, WIDEST * line.height) / 2);
    return shadeOf(line, centre - half, centre + half, table);
  });
  const ink = median(shades.map((shade) => shade.ink));
  const paper = median(shades.map((shade) => shade.paper));
  const contrast = paper - ink;
  if (contrast < MIN_CONTRAST) return centres.map(() => SAME);
  return shades.map((shade) => ({
    lighterInk: (shade.ink - ink) / contrast,
    darkerPaper: (paper - shade.paper) / contrast,
  }));
}

/** What each value of a channel would be if the paper were white; null for channels that tell nothing. */
type Tables = readonly (Uint8Array | null)[];

function onWhitePaper(line: RgbImage): Tables {
  const histograms = [0, 1, 2].map((channel) => histogramOf(line, channel));
  const isInverted = isLightOnDark(histograms[1]!);
  const papers = histograms.map((histogram) =>
    isInverted ? 255 - quantile(histogram, 0.25) : quantile(histogram, 0.75),
  );
  return papers.map((paper) => {
    if (paper < MIN_REFLECTION * Math.max(...papers)) return null;
    return Uint8Array.from({ length: 256 }, (_, value) =>
      Math.min(255, ((isInverted ? 255 - value : value) * 255) / Math.max(paper, 1)),
    );
  });
}

function histogramOf({ rgb }: RgbImage, channel: number): Uint32Array {
  const histogram = new Uint32Array(256);
  for (let i = channel; i < rgb.length; i += 3) histogram[rgb[i]!]!++;
  return histogram;
}

/** Light characters on a dark plate: more of the line is dark than light. */
function isLightOnDark(histogram: Uint32Array): boolean {
  const [low, middle, high] = [0.05, 0.5, 0.95].map((share) => quantile(histogram, share));
  return middle! - low! < 0.35 * (high! - low!);
}

function shadeOf(line: RgbImage, from: number, to: number, tables: Tables): Shade {
  const lightest = new Uint32Array(256);
  const darkest = new Uint32Array(256);
  const [x0, x1] = [Math.max(0, Math.floor(from)), Math.min(line.width, Math.ceil(to))];
  const [y0, y1] = [Math.round(EDGE * line.height), Math.round((1 - EDGE) * line.height)];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const at = (y * line.width + x) * 3;
      let [low, high] = [255, 0];
      for (let channel = 0; channel < 3; channel++) {
        const value = tables[channel]?.[line.rgb[at + channel]!];
        if (value === undefined) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      lightest[high]!++;
      darkest[low]!++;
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
