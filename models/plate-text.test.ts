import { expect, test } from "vitest";
import { tonesOf } from "./ink.ts";
import type { LineCharacter } from "./ocr.ts";
import { plateCharacters, plateClasses } from "./plate-characters.ts";
import { choosePlate, plateLikeness, plateLine } from "./plate-choice.ts";
import { withoutMarks } from "./plate-marks.ts";
import { hasUsualOrder, plateText } from "./plate-syntax.ts";

const BLANK = "blank";

/** A line's characters, all alike but for those at some places. */
function lineOf(
  text: string,
  odd: Readonly<Record<number, Partial<LineCharacter>>> = {},
): LineCharacter[] {
  return [...text].map((character, i) => ({
    character,
    probability: 0.99,
    isSmall: false,
    step: 2 * i,
    other: { character: /\d/.test(character) ? "X" : "7", probability: 0.001 },
    lighterInk: 0,
    darkerPaper: 0,
    ...odd[i],
  }));
}

const textOf = (characters: readonly LineCharacter[]) => plateText(characters).text;

test("forms of a character add up, marks above letters and separators are none of a plate's", () => {
  const keys = ["A", "a", "Ö", "-", "7", "川", "l"];
  const classes = plateClasses(keys);
  const step = (of: Readonly<Record<string, number>>) => [
    of[BLANK] ?? 0,
    ...keys.map((key) => of[key] ?? 0),
  ];
  const data = Float32Array.from(
    [
      step({ 川: 0.1, a: 0.3, A: 0.35, 7: 0.34 }),
      step({ a: 0.8, A: 0.1 }),
      step({ [BLANK]: 1 }),
      step({ Ö: 0.9 }),
      step({ "-": 0.9, 7: 0.1 }),
      step({ l: 0.6, 7: 0.3 }),
      step({ 川: 0.8, 7: 0.05 }),
      step({ 川: 0.6, 7: 0.3 }),
    ].flat(),
  );
  const found = plateCharacters(data, classes);
  expect(found.map(({ character }) => character).join("")).toBe("AOI7");
  expect(found[0]).toMatchObject({ probability: expect.closeTo(0.9), step: 1, isSmall: true });
  expect(found[2]!.other).toEqual({ character: "7", probability: expect.closeTo(0.3) });
});

test("orders that plates have are known, and others are not", () => {
  const plates = "MPE3389 INS6012 GN06BGV 5AU5341 4S50233 BA123AB ZG1234AB AA123BB 1234BCD";
  const more = "13ZLKF 16JEF8 WA12345 KR1A234 W12345A NO23456 MLB803 ABC123 B12ABC 123ABC75";
  expect(`${plates} ${more}`.split(" ").filter((plate) => !hasUsualOrder(plate))).toEqual([]);
  const others = "NOVAK2009 12042008 OMKLEIN GNO6BGV 3088474 2007 SKODA";
  expect(others.split(" ").filter(hasUsualOrder)).toEqual([]);
});

test("a character is taken for one that is alike where only that makes a usual order", () => {
  expect(textOf(lineOf("GNO6BGV"))).toBe("GN06BGV");
  expect(textOf(lineOf("3088474", { 1: { other: { character: "D", probability: 0.2 } } }))).toBe(
    "3D88474",
  );
  expect(textOf(lineOf("IO1234"))).toBe("IO1234");
  expect(textOf(lineOf("0123456"))).toBe("O123456");
  expect(textOf(lineOf("7774777"))).toBe("7774777");
  expect(plateText(lineOf("GNO6BGV")).confidence).toBeLessThan(0.93);
});

test("what is read in seals and bands is left out, and sure characters stay", () => {
  const seal = { probability: 0.6, lighterInk: 0.5 };
  const band = { probability: 0.6, darkerPaper: 0.8 };
  expect(textOf(withoutMarks(lineOf("MOPE3389", { 1: seal })) as LineCharacter[])).toBe("MPE3389");
  expect(textOf(withoutMarks(lineOf("DMPE3389", { 0: band })) as LineCharacter[])).toBe("MPE3389");
  const kept = withoutMarks(
    lineOf("TGN502", { 1: { lighterInk: 0.9 }, 2: { darkerPaper: 0.9 }, 5: seal }),
  );
  expect(kept.map(({ character }) => character).join("")).toBe("TGN502");
  const small = { isSmall: true, probability: 0.5 };
  expect(textOf(withoutMarks(lineOf("ZJA469MI", { 2: small })) as LineCharacter[])).toBe("ZJ469MI");
});

test("a plate beats a dealer's name, and two short lines above each other are one plate", () => {
  const line = (y: number, text: string, probability: number) =>
    plateLine(
      { centre: [50, y], width: 60, height: 20, angle: 0 },
      lineOf(text).map((character) => ({ ...character, probability })),
      1,
    );
  expect(choosePlate([line(0, "AUTOHAUS", 0.99), line(99, "5AU5341", 0.9)], 0.4)?.text).toBe(
    "5AU5341",
  );
  expect(choosePlate([line(0, "AB", 0.9), line(22, "1234", 0.9)], 0.4)?.text).toBe("AB1234");
  expect(choosePlate([line(0, "SKODA", 0.9)], 0.4)).toBeUndefined();
});

test("small letters are unlike a plate", () => {
  const rectangle = { centre: [0, 0], width: 60, height: 20, angle: 0 } as const;
  const likeness = (isSmall: boolean) => {
    const characters = lineOf("KLEIN12").map((character, i) =>
      i > 0 && i < 5 ? { ...character, isSmall } : character,
    );
    return plateLikeness(plateLine(rectangle, characters, 1));
  };
  expect(likeness(true)).toBeLessThan(0.6 * likeness(false));
});

/** A line of ten dark strokes on paper, each 20 pixels apart; some in another tone or ground. */
function strokes(
  odd: Readonly<Record<number, { ink?: number; paper?: number; width?: number }>>,
  yellow = false,
) {
  const [width, height] = [200, 48];
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { ink = 20, paper = 230, width: stroke = 6 } = odd[Math.floor(x / 20)] ?? {};
      const value = Math.abs((x % 20) - 9.5) < stroke / 2 ? ink : paper;
      rgb.set([value, value, yellow ? 22 : value], (y * width + x) * 3);
    }
  }
  return { width, height, rgb };
}

test("a seal is lighter than the ink and a band darker than the paper, on yellow paper too", () => {
  const centres = Array.from({ length: 10 }, (_, i) => 20 * i + 10);
  for (const yellow of [false, true]) {
    const odd = { 0: { ink: 240, paper: 60, width: 4 }, 4: { ink: 150 } };
    const tones = tonesOf(strokes(odd, yellow), centres);
    expect(tones[0]!.darkerPaper).toBeGreaterThan(0.5);
    expect(tones[4]!.lighterInk).toBeGreaterThan(0.5);
    for (const i of [1, 2, 3, 5, 6, 7, 8, 9]) {
      expect(tones[i]).toEqual({ lighterInk: 0, darkerPaper: 0 });
    }
  }
});
