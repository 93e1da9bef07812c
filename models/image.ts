/** Images in and out of raw pixels. */
import sharp, { type Sharp } from "sharp";
import { Fault } from "../core/fault.ts";

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
  /** Size of the whole picture, in pixels. */
  readonly width: number;
  readonly height: number;
  /** Size of the model's input, in pixels. */
  readonly inputWidth: number;
  readonly inputHeight: number;
  readonly scale: readonly [x: number, y: number];
  readonly offset: readonly [x: number, y: number];
  readonly origin: readonly [x: number, y: number];
}

/** An image of more pixels is refused: it would need more than 150 MB when decoded. */
export const MAX_PIXELS = 50_000_000;

const FORMATS: ReadonlySet<string> = new Set(["png", "jpeg", "webp"]);

// One thread decodes: a replica's measured time must not depend on idle neighbours.
sharp.concurrency(1);
sharp.cache(false);

/** An encoded image, not decoded yet: upright as its EXIF says; the size is the upright one. */
interface OpenImage {
  readonly image: Sharp;
  readonly width: number;
  readonly height: number;
}

/** PNG, JPEG or WebP; throws Fault("invalid-input") for other data and Fault("limit-exceeded") above MAX_PIXELS. */
export async function openImage(payload: Uint8Array): Promise<OpenImage> {
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

/** Cuts out whole pixels; the box is first clipped to the image. At least one pixel is left. */
export function cropImage(image: RgbImage, box: Box): RgbImage {
  const x0 = clamp(Math.floor(box[0]), 0, image.width - 1);
  const y0 = clamp(Math.floor(box[1]), 0, image.height - 1);
  const width = clamp(Math.ceil(box[2]), x0 + 1, image.width) - x0;
  const height = clamp(Math.ceil(box[3]), y0 + 1, image.height) - y0;
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const from = ((y0 + y) * image.width + x0) * 3;
    rgb.set(image.rgb.subarray(from, from + width * 3), y * width * 3);
  }
  return { width, height, rgb };
}

/** Scales without keeping the aspect, with antialiasing. */
export async function resizeImage(
  image: RgbImage,
  width: number,
  height: number,
): Promise<RgbImage> {
  const raw = { width: image.width, height: image.height, channels: 3 as const };
  const rgb = await sharp(image.rgb, { raw })
    .resize(width, height, { fit: "fill", kernel: "cubic" })
    .raw()
    .toBuffer();
  return { width, height, rgb };
}

/** `value`, or the bound it lies beyond. */
export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
