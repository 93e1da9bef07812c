import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { drawScenes } from "../../models/scenes.ts";
import { editDistance, evaluate } from "./evaluate.ts";

test("plates are counted as exact and as within one edit of the truth in labels.csv", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tandem-plates-"));
  try {
    const scenes = await drawScenes({ count: 3, carShare: 1, seed: "evaluate" });
    const plates = scenes.map(({ truth }) => truth.plate!);
    const wrong = plates[1]!.slice(1);
    const rows = ["file,plate", `0.png,${plates[0]}`, `1.png,${wrong}`, "2.png,A"];
    await writeFile(join(dir, "labels.csv"), rows.join("\r\n"));
    await Promise.all(scenes.map(({ png }, i) => writeFile(join(dir, `${i}.png`), png)));
    const { images, vehicles, sides } = await evaluate(dir, [320]);
    expect(images.map(({ read }) => read[320])).toEqual(plates);
    expect(vehicles).toBe(3);
    expect(sides).toEqual([{ side: 320, exact: 1, withinOneEdit: 2 }]);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("an edit is a letter put in, taken out or changed", () => {
  expect(editDistance("5AU5341", "5AU5341")).toBe(0);
  expect(editDistance("B0AB1234", "BAB1234")).toBe(1);
  expect(editDistance("OAU5341", "0AU534")).toBe(2);
  expect(editDistance("", "ABC")).toBe(3);
});
