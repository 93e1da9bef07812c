import fc from "fast-check";
import { expect, test } from "vitest";
import { type Detection, decodeSsd, suppress } from "./objects.ts";
import { corners, cutLine, type Point, smallestRectangle, textRegions } from "./ocr.ts";
import { type CtcText, decodeCtc } from "./output-steps.ts";
import { choosePlate, plateLikeness, plateLine, withLikelyEnds } from "./plate-reader.ts";

test("CTC merges repeats, keeps doubles with a blank between, and drops blanks", () => {
  const steps = [1, 1, 0, 1, 2, 2, 0, 0, 2];
  const data = Float32Array.from(
    steps.flatMap((k) => [0, 1, 2].map((c) => (c === k ? 0.9 : 0.05))),
  );
  const { text, probabilities } = decodeCtc(data, ["A", "7"]);
  expect(text).toBe("AA77");
  expect(probabilities).toEqual(new Array(4).fill(Math.fround(0.9)));
});

test("a zero SSD code gives the anchor, and codes move and scale it by the variances", () => {
  const anchors = Float32Array.of(0.25, 0.5, 0.75, 1);
  const at = (codes: readonly number[]) =>
    decodeSsd(Float32Array.from(codes), Float32Array.of(1, 0.2, 0.9), anchors, {
      minScore: 0.5,
      variances: [0.1, 0.2],
      background: true,
    })[0]!;
  expect(at([0, 0, 0, 0])).toEqual({
    classId: 2,
    score: Math.fround(0.9),
    box: [0.5, 0.25, 1, 0.75],
  });
  const [x0, y0, x1, y1] = at([1, -2, Math.log(2) / 0.2, 0]).box;
  expect([x0, x1]).toEqual([expect.closeTo(0.4), expect.closeTo(0.9)]);
  expect([y0, y1]).toEqual([expect.closeTo(0.05), expect.closeTo(1)]);
});

const boxes = fc.tuple(
  fc.double({ min: 0, max: 0.8, noNaN: true }),
  fc.double({ min: 0, max: 0.8, noNaN: true }),
);
const detections = fc.array(
  fc.record({
    at: boxes,
    classId: fc.integer({ min: 1, max: 2 }),
    score: fc.integer({ min: 1, max: 9 }),
  }),
  { maxLength: 12 },
);

test("suppression keeps no clash within a class and drops only what clashes with better", () => {
  fc.assert(
    fc.property(detections, (drawn) => {
      const all = drawn.map(({ at: [x, y], classId, score }): Detection => {
        return { classId, score: score / 10, box: [x, y, x + 0.2, y + 0.2] };
      });
      const kept = suppress(all, 0.5, 100);
      const common = ({ box: a }: Detection, { box: b }: Detection): number =>
        Math.max(0, 0.2 - Math.abs(a[0] - b[0])) * Math.max(0, 0.2 - Math.abs(a[1] - b[1]));
      const clashes = (a: Detection, b: Detection) =>
        a !== b && a.classId === b.classId && common(a, b) > 0.5 * (0.08 - common(a, b));
      expect(kept.some((a) => kept.some((b) => clashes(a, b)))).toBe(false);
      for (const lost of all.filter((one) => !kept.includes(one))) {
        expect(kept.some((one) => clashes(one, lost) && one.score >= lost.score)).toBe(true);
      }
    }),
  );
});

test("the smallest rectangle around a turned rectangle is that rectangle", () => {
  const side = fc.double({ min: 5, max: 50, noNaN: true });
  const angles = fc.double({ min: -0.7, max: 0.7, noNaN: true });
  fc.assert(
    fc.property(side, side, angles, (width, height, angle) => {
      const points: readonly Point[] = corners({ centre: [3, 4], width, height, angle });
      const found = smallestRectangle([...points, [3, 4]]);
      expect(found.angle).toBeCloseTo(angle, 5);
      expect([found.width, found.height]).toEqual([
        expect.closeTo(width, 5),
        expect.closeTo(height, 5),
      ]);
      expect(found.centre[0]).toBeCloseTo(3, 5);
    }),
  );
});

test("text regions are the connected parts of the map, grown, without the faint ones", () => {
  const width = 32;
  const map = new Float32Array(width * 20);
  const paint = (x: number, y: number, w: number, value: number) => {
    for (let row = y; row < y + 4; row++) map.fill(value, row * width + x, row * width + x + w);
  };
  paint(2, 3, 12, 0.9);
  paint(20, 3, 8, 0.4);
  const regions = textRegions(map, width, { minProbability: 0.3, minScore: 0.5, growth: 2 });
  // Area 48 over perimeter 32, times 2: three pixels on each side.
  expect(regions).toEqual([{ centre: [8, 5], width: 18, height: 10, angle: 0 }]);
});

test("cutting a line along its angle undoes the turn", () => {
  // Brightness grows along the image's diagonal; along a line at 45° it grows by √2 a pixel.
  const size = 64;
  const rgb = new Uint8Array(size * size * 3);
  for (let i = 0; i < size * size; i++)
    rgb.fill((i % size) + Math.floor(i / size), 3 * i, 3 * i + 3);
  const line = { centre: [32, 32], width: 20, height: 10, angle: Math.PI / 4 } as const;
  const cut = cutLine({ width: size, height: size, rgb }, line, 10);
  expect([cut.width, cut.height]).toEqual([20, 10]);
  const at = (x: number, y: number) => cut.rgb[(y * 20 + x) * 3]!;
  expect(at(5, 0)).toBe(at(5, 9));
  expect(at(15, 5) - at(5, 5)).toBe(14);
});

/** As read, each character with a probability of 0.9. */
const ctc = (text: string): CtcText => ({ text, probabilities: [...text].map(() => 0.9) });
const at = (y: number) => ({ centre: [100, y], width: 60, height: 20, angle: 0 }) as const;

test("a line is its capitals and digits as read, whatever country orders them so", () => {
  const { text, confidence } = plateLine(at(0), {
    text: "GÖoO6-BG川V",
    probabilities: [0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.9],
  });
  expect([text, confidence]).toEqual(["GOO6BGV", expect.closeTo(0.9)]);
  const likeness = (plate: string) => plateLikeness(plateLine(at(0), ctc(plate)));
  const plates = ["RK755AJ", "5TZA419", "HB6LOZ", "BTZ7148", "1234BCD", "378DXR"];
  expect(plates.map(likeness)).toEqual(plates.map(() => expect.closeTo(0.9)));
  for (const other of ["SKODA", "3148455900", "07114821", "Autohaus", "B7"])
    expect(likeness(other)).toBeLessThan(0.5);
});

test("O and 0 at an end are of their neighbour's kind, and stay as read elsewhere", () => {
  expect(["RK340A0", "O12ABC", "AB12O", "0B12"].map(withLikelyEnds)).toEqual([
    "RK340AO",
    "012ABC",
    "AB120",
    "OB12",
  ]);
  for (const text of ["HB6LOZ", "UH1F0F", "RK300AG", "4BO4979", "2DA044", "O", ""])
    expect(withLikelyEnds(text)).toBe(text);
});

test("a plate beats a dealer's name, and two short lines above each other are one plate", () => {
  const line = (y: number, text: string) => plateLine(at(y), ctc(text));
  expect(choosePlate([line(0, "AUTOHAUS"), line(99, "5AU5341")])?.text).toBe("5AU5341");
  expect(choosePlate([line(0, "AB"), line(22, "1234")])?.text).toBe("AB1234");
  expect(choosePlate([line(0, "")])).toBeUndefined();
});
