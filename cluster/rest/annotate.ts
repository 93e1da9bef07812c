/** Draws a pipeline's answer over its picture: boxes, labels and plates. */
import { createRequire } from "node:module";
import { renderAsync } from "@resvg/resvg-js";
import sharp from "sharp";
import { Fault } from "../../core/fault.ts";
import { MAX_PIXELS } from "../../models/image.ts";

const require = createRequire(import.meta.url);
const FONT = require.resolve("dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf");
/** Tasks take these in turn. */
const COLOURS = ["#ffd400", "#00c2ff", "#ff5fa2", "#7dff5f"];
/** Height of text over the picture's shorter side: readable when a large picture is scaled to a screen. */
const TEXT_SHARE = 1 / 36;
const LEAST_TEXT = 11;

interface Mark {
  /** Left, top, right, bottom; pixels of the upright picture. */
  readonly box: readonly number[];
  readonly text: string;
  readonly colour: string;
}

/** Formats that an annotated picture can be asked for in. */
export type PictureFormat = "png" | "jpeg" | "webp";

/** Rejects with Fault("invalid-input") when the payload is no picture. */
export async function annotated(
  payload: Uint8Array,
  outputs: Readonly<Record<string, unknown>>,
  format: PictureFormat,
): Promise<Buffer> {
  try {
    const image = sharp(payload, { limitInputPixels: MAX_PIXELS }).autoOrient();
    const { autoOrient } = await sharp(payload, { limitInputPixels: MAX_PIXELS }).metadata();
    const { width, height } = autoOrient;
    const svg = overlay(width, height, marksOf(outputs));
    const drawn = await renderAsync(svg, {
      font: { fontFiles: [FONT], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
    });
    return await image
      .composite([{ input: drawn.asPng() }])
      .toFormat(format)
      .toBuffer();
  } catch (cause) {
    throw new Fault("invalid-input", `the payload is no picture: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** Marks of the tasks' outputs, by task: each of `objects` that has a box, or the output's own box. */
export function marksOf(outputs: Readonly<Record<string, unknown>>): readonly Mark[] {
  return Object.values(outputs).flatMap((output, task) => {
    const { value } = (output ?? {}) as { readonly value?: unknown };
    const { objects } = (value ?? {}) as { readonly objects?: unknown };
    const colour = COLOURS[task % COLOURS.length];
    const found = Array.isArray(objects) ? objects : [value];
    return found.flatMap((object) => markOf(object, colour));
  });
}

function markOf(object: unknown, colour: string): readonly Mark[] {
  const { box, label, score, plate, text } = (object ?? {}) as Record<string, unknown>;
  const isBox = Array.isArray(box) && box.length === 4 && box.every(Number.isFinite);
  if (!isBox) return [];
  const name = [label, plate, text].find((part) => typeof part === "string") ?? "";
  const percent = typeof score === "number" ? ` ${Math.round(score * 100)}%` : "";
  return [{ box, text: `${name}${percent}`, colour }];
}

function overlay(width: number, height: number, marks: readonly Mark[]): string {
  const size = Math.max(LEAST_TEXT, Math.round(Math.min(width, height) * TEXT_SHARE));
  const line = Math.max(2, Math.round(size / 6));
  const drawn = marks.map(({ box: [x0, y0, x1, y1], text, colour }) => {
    const frame =
      `<rect x="${x0}" y="${y0}" width="${x1 - x0}" height="${y1 - y0}" fill="none" ` +
      `stroke="${colour}" stroke-width="${line}"/>`;
    if (text === "") return frame;
    // Above the box, or inside it where there is no room above; never out of the picture.
    const tall = Math.round(size * 1.4);
    const wide = Math.round(text.length * size * 0.72 + size * 0.6);
    const top = y0 >= tall ? y0 - tall : Math.min(Math.max(0, y0), height - tall);
    const left = Math.max(0, Math.min(x0, width - wide));
    return (
      `${frame}<rect x="${left}" y="${top}" width="${wide}" height="${tall}" fill="${colour}"/>` +
      `<text x="${left + size * 0.3}" y="${top + size * 1.05}" font-family="DejaVu Sans" ` +
      `font-weight="bold" font-size="${size}" fill="#000">${escaped(text)}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}">${drawn.join("")}</svg>`
  );
}

function escaped(text: string): string {
  return text.replace(/[<>&"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
