import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needs } from "../core/needs.test-support.ts";
import { evaluate } from "./evaluate.ts";
import { hardPlates } from "./hard-plates.test-support.ts";

const PHOTOGRAPH = "../shared/data/images/car-plate-5AU5341.png";

test.skipIf(!needs(PHOTOGRAPH, existsSync(PHOTOGRAPH)))(
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
