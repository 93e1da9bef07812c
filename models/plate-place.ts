/** How much a line of text is where plates are: low on a vehicle, on paper unlike what is around. */
import type { TurnedRectangle } from "./geometry.ts";
import type { Box, RgbImage } from "./image.ts";
import { clamp } from "./image.ts";
import { cutLine } from "./text-line.ts";

/** Plates hang at this share of a vehicle's height or lower; higher up they are rarer. */
const USUAL_HEIGHT = 0.5;
const RARE_HEIGHT = 0.15;
/** Of 255: paper that differs so much from its surroundings is a plate's, or another sign's. */
const CLEAR_EDGE = 50;
/** How far around the line surroundings are looked at, in heights of the line. */
const AROUND = 0.9;
/** Rows of the small picture on which that is done. */
const ROWS = 28;

/** From 0.5 to 1, for a line on a picture with a vehicle. */
export function placeWeight(image: RgbImage, vehicle: Box, line: TurnedRectangle): number {
  const height = (line.centre[1] - vehicle[1]) / (vehicle[3] - vehicle[1]);
  const low = clamp((height - RARE_HEIGHT) / (USUAL_HEIGHT - RARE_HEIGHT), 0, 1);
  return 0.5 + 0.25 * low + 0.25 * edgeClarity(image, line);
}

/** From 0 to 1: the difference of brightness between a line's paper and what is around it. */
function edgeClarity(image: RgbImage, line: TurnedRectangle): number {
  const margin = AROUND * line.height;
  const around = { ...line, width: line.width + 2 * margin, height: line.height + 2 * margin };
  const { rgb, width, height } = cutLine(image, around, ROWS);
  const inside: number[] = [];
  const outside: number[] = [];
  const border = (AROUND / (1 + 2 * AROUND)) * ROWS;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const depth = Math.min(x, y, width - 1 - x, height - 1 - y);
      const at = (y * width + x) * 3;
      const brightness = (rgb[at]! + rgb[at + 1]! + rgb[at + 2]!) / 3;
      if (depth >= border) inside.push(brightness);
      else if (depth < border / 3) outside.push(brightness);
    }
  }
  const paper = quantile(inside, 0.75);
  return clamp(Math.abs(paper - quantile(outside, 0.5)) / CLEAR_EDGE, 0, 1);
}

function quantile(values: number[], share: number): number {
  values.sort((a, b) => a - b);
  return values[Math.floor(share * (values.length - 1))] ?? 0;
}
