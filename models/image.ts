/** Images in and out of raw pixels. */
import sharp, { type Sharp } from "sharp";
import { Fault } from "../engine/basics/fault.ts";

/** Interleaved RGB, 8 bits a channel, rows from the top. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** Axis-parallel, in pixels: left, top, right, bottom; right and bottom exclusive. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** From a point of the model's input to the picture's: (x − offset) / scale + origin. */
export interface Placement {
  readonly width: number;
  readonly height: number;
  readonly inputWidth: number;
  readonly inputHeight: number;
  readonly scale: readonly [x: number, y: number];
  readonly offset: readonly [x: number, y: number];
  readonly origin: readonly [x: number, y: number];
}

/** An image of more pixels is refused: it would need more than 150 MB when decoded. */
const MAX_PIXELS = 50_000_000;

const FORMATS: ReadonlySet<string> = new Set(["png", "jpeg", "webp"]);

// One thread decodes: a replica's measured time must not depend on idle neighbours.
sharp.concurrency(1);
sharp.cache(false);

/** PNG, JPEG or WebP, upright and not decoded yet; throws Fault("invalid-input") for other data and Fault("limit-exceeded") above MAX_PIXELS. */
export async function openImage(payload: Uint8Array) {
  const { width, height } = await imageSize(payload);
  const image = sharp(payload, { limitInputPixels: MAX_PIXELS }).autoOrient();
  return { image, width, height };
}

/** Interleaved RGB or grey, 8 bits a channel, without alpha. `payload` is for the message of Fault("invalid-input"). */
export async function readPixels(
  image: Sharp,
  payload: Uint8Array,
  channels: 1 | 3 = 3,
): Promise<Uint8Array> {
  try {
    return await image
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .removeAlpha()
      .raw()
      .toBuffer();
  } catch (cause) {
    throw unreadable(payload, cause);
  }
}

/** Decodes a whole image; throws what `openImage` and `readPixels` throw. */
export async function decodeImage(payload: Uint8Array): Promise<RgbImage> {
  const { image, width, height } = await openImage(payload);
  return { width, height, rgb: await readPixels(image, payload) };
}

/** Throws what `decodeImage` would, at less memory. */
export async function checkImage(payload: Uint8Array): Promise<void> {
  const { image } = await openImage(payload);
  await readPixels(image.resize(1, 1, { fit: "fill" }), payload);
}

async function imageSize(payload: Uint8Array): Promise<{ width: number; height: number }> {
  if (payload.length === 0) throw unreadable(payload, "it is empty");
  const { format, autoOrient } = await sharp(payload, { limitInputPixels: false })
    .metadata()
    .catch((cause: unknown) => {
      throw unreadable(payload, cause);
    });
  if (!FORMATS.has(format)) throw unreadable(payload, `its format is ${format}`);
  const pixels = autoOrient.width * autoOrient.height;
  if (pixels > MAX_PIXELS) {
    throw new Fault("limit-exceeded", `the image has ${pixels} pixels, more than ${MAX_PIXELS}`, {
      hint: "scale it down before sending",
    });
  }
  return autoOrient;
}

function unreadable(payload: Uint8Array, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Fault(
    "invalid-input",
    `the payload (${payload.length} bytes) is not a readable image: ${reason}`,
    { hint: "send a whole PNG, JPEG or WebP file", cause },
  );
}

/** Whole pixels of the image around a box: at least one. */
export function wholePixels({ width, height }: RgbImage, box: Box): Box {
  const x0 = clamp(Math.floor(box[0]), 0, width - 1);
  const y0 = clamp(Math.floor(box[1]), 0, height - 1);
  const [x1, y1] = [Math.ceil(box[2]), Math.ceil(box[3])];
  return [x0, y0, clamp(x1, x0 + 1, width), clamp(y1, y0 + 1, height)];
}

/** The whole pixels of a box, scaled without keeping the aspect, with antialiasing. */
export async function scaledPart(
  image: RgbImage,
  [left, top, right, bottom]: Box,
  width: number,
  height: number,
): Promise<RgbImage> {
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  const rgb = await sharp(image.rgb, { raw })
    .extract({ left, top, width: right - left, height: bottom - top })
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .raw()
    .toBuffer();
  return { width, height, rgb };
}

/** `value`, or the bound it lies beyond. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
