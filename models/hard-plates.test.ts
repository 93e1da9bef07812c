import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { editDistance, evaluate } from "./evaluate.ts";
import { hardPlates } from "./hard-plates.test-support.ts";
import { inLineInk } from "./ink.ts";

const PHOTOGRAPH = "../shared/data/images/car-plate-5AU5341.png";
const hasPhotograph = existsSync(PHOTOGRAPH);
if (!hasPhotograph) console.log(`skipped: ${PHOTOGRAPH} is not here`);

test.skipIf(!hasPhotograph)(
  "worn European plates: every car is found, most plates are read, nearly all within one edit",
  async () => {
    const dir = await mkdtemp(join(tmpdir(), "tandem-plates-"));
    try {
      const plates = await hardPlates(await readFile(PHOTOGRAPH), 20, "test");
      const rows = plates.map(({ plate }, i) => `${i}.jpg,${plate}`);
      await writeFile(join(dir, "labels.csv"), ["file,plate", ...rows].join("\n"));
      await Promise.all(plates.map(({ jpeg }, i) => writeFile(join(dir, `${i}.jpg`), jpeg)));
      const { images, vehicles, sides } = await evaluate(dir, [320]);
      expect(images.map(({ truth }) => truth).sort()).toEqual(plates.map((p) => p.plate).sort());
      expect(vehicles).toBe(20);
      expect(sides[0]!.exact).toBeGreaterThanOrEqual(14);
      expect(sides[0]!.withinOneEdit).toBeGreaterThanOrEqual(17);
    } finally {
      await rm(dir, { recursive: true });
    }
  },
);

test("an edit is a letter put in, taken out or changed", () => {
  expect(editDistance("5AU5341", "5AU5341")).toBe(0);
  expect(editDistance("B0AB1234", "BAB1234")).toBe(1);
  expect(editDistance("OAU5341", "0AU534")).toBe(2);
  expect(editDistance("", "ABC")).toBe(3);
});

/** A line of ten dark strokes on white, each 20 pixels apart; some in another tone or ground. */
function strokes(odd: Readonly<Record<number, { ink?: number; paper?: number; width?: number }>>) {
  const [width, height] = [200, 48];
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const { ink = 20, paper = 230, width: stroke = 6 } = odd[Math.floor(x / 20)] ?? {};
      const value = Math.abs((x % 20) - 9.5) < stroke / 2 ? ink : paper;
      rgb.fill(value, (y * width + x) * 3, (y * width + x) * 3 + 3);
    }
  }
  return { width, height, rgb };
}

test("a seal is lighter than the ink, a band darker than the paper; letters stay", () => {
  const centres = Array.from({ length: 10 }, (_, i) => 20 * i + 10);
  const kept = (odd: Parameters<typeof strokes>[0], characters: string) =>
    inLineInk(strokes(odd), [...characters], centres)
      .map((isKept, i) => (isKept ? characters[i] : ""))
      .join("");
  expect(kept({}, "DABC812345")).toBe("DABC812345");
  expect(kept({ 4: { ink: 150 } }, "DABC812345")).toBe("DABC12345");
  expect(kept({ 4: { ink: 150 } }, "DABCT12345")).toBe("DABCT12345");
  expect(kept({ 0: { ink: 240, paper: 60, width: 4 } }, "DABC812345")).toBe("ABC812345");
});
