import { expect, test } from "vitest";
import type { Ocr, TurnedRectangle } from "./ocr.ts";
import type { CtcText } from "./output-steps.ts";
import { findPlate } from "./plate-reader.ts";

const ctc = (text: string, probability: number): CtcText => ({
  text,
  probabilities: [...text].map(() => probability),
});
const at = (y: number): TurnedRectangle => ({ centre: [100, y], width: 60, height: 20, angle: 0 });

/** Text that only a look at the whole picture or a close look finds, and only its middle for sure. */
test("a plate is searched on the vehicle, its parts and the picture, then closer", async () => {
  const looks: string[] = [];
  const ocr: Ocr = {
    provenance: { name: "", files: [], source: "", license: "", runtime: "", provider: "" },
    close: async () => undefined,
    locate: async (_, [left, top, right, bottom], side) => {
      looks.push(`${right - left}x${bottom - top} at ${side}`);
      if (side === 192) return [{ ...at(50), width: 90 }];
      return right - left === 640 ? [at(50)] : [];
    },
    read: async (_, { width, height }) =>
      width < 80 ? ctc("U5341", 0.95) : ctc("5AU5341", height < 20 ? 0.99 : 0.9),
  };
  const image = { width: 640, height: 480, rgb: new Uint8Array(640 * 480 * 3) };
  const found = await findPlate(ocr, image, [100, 100, 500, 400], 320);
  expect(looks).toEqual(
    ["400x300", "240x195", "240x195", "640x480"]
      .map((size) => `${size} at 320`)
      .concat("160x50 at 192"),
  );
  expect(found).toMatchObject({ text: "5AU5341", confidence: expect.closeTo(0.99) });
  expect(found?.rectangle).toMatchObject({ centre: [100, 50], width: 90, height: 20 });
});
