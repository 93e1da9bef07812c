import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { drawScenes } from "../models/scenes.ts";

const PROGRAM = join(import.meta.dirname, "../dist/checks/evaluate.js");

test("plates are counted as exact and as within one edit of the truth, wherever that is", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tandem-plates-"));
  try {
    const scenes = await drawScenes({ count: 4, carShare: 1, seed: "evaluate" });
    const plates = scenes.map(({ truth }) => truth.plate!);
    const names = ["0", "1", "2", `car-${plates[3]}`];
    const wrong = plates[1]!.slice(1);
    await writeFile(join(dir, "labels.csv"), `file,plate\r\n0.png,${plates[0]}\r\n1.png,${wrong}`);
    await writeFile(join(dir, "2.txt"), "plate A\n");
    await Promise.all(scenes.map(({ png }, i) => writeFile(join(dir, `${names[i]}.png`), png)));
    const words = [PROGRAM, dir, "--sides", "320", "--json"];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    const { images, vehicles, sides } = JSON.parse(stdout);
    expect(images.map(({ read }: { read: Record<number, string> }) => read[320])).toEqual(plates);
    expect(vehicles).toBe(4);
    expect(sides).toEqual([{ side: 320, exact: 2, withinOneEdit: 3 }]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
