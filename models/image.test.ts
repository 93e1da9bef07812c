import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { decodeImage, scaledPart, wholePixels } from "./image.ts";

const red = { create: { width: 6, height: 4, channels: 3, background: "#ff0000" } } as const;

describe("any kind of image becomes 8-bit RGB", () => {
  const kinds: Readonly<Record<string, () => Promise<Buffer>>> = {
    "grey PNG": () => sharp(red).toColourspace("b-w").png().toBuffer(),
    "16-bit PNG": () => sharp(red).toColourspace("rgb16").png().toBuffer(),
    "palette PNG with alpha": () => sharp(red).ensureAlpha(0.5).png({ palette: true }).toBuffer(),
    "CMYK JPEG": () => sharp(red).toColourspace("cmyk").jpeg().toBuffer(),
    WebP: () => sharp(red).webp().toBuffer(),
  };
  for (const [kind, encode] of Object.entries(kinds)) {
    test(kind, async () => {
      const image = await decodeImage(await encode());
      expect([image.width, image.height, image.rgb.length]).toEqual([6, 4, 72]);
      const [r, g, b] = image.rgb;
      if (kind === "grey PNG") expect(g === r && b === r && r! > 40).toBe(true);
      else expect(r! > 200 && g! < 60 && b! < 60).toBe(true);
    });
  }
});

test("EXIF orientation turns the image", async () => {
  const turned = await sharp(red).jpeg().withMetadata({ orientation: 6 }).toBuffer();
  expect(await decodeImage(turned)).toMatchObject({ width: 4, height: 6 });
});

test("an image of too many pixels is refused before it is decoded", async () => {
  const huge = await sharp({ create: { ...red.create, width: 9000, height: 6000 } })
    .png()
    .toBuffer();
  await expect(decodeImage(huge)).rejects.toMatchObject({ code: "limit-exceeded" });
});

test("a part is clipped to the image and never empty", async () => {
  const image = { width: 2, height: 2, rgb: Uint8Array.from({ length: 12 }, (_, i) => i) };
  const right = wholePixels(image, [1, -5, 9, 9]);
  expect(right).toEqual([1, 0, 2, 2]);
  expect([...(await scaledPart(image, right, 1, 2)).rgb]).toEqual([3, 4, 5, 9, 10, 11]);
  expect(wholePixels(image, [5, 5, 1, 1])).toEqual([1, 1, 2, 2]);
});
