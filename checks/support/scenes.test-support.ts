/** A folder of drawn scenes, as `--images` takes it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { drawScenes } from "../../models/scenes.ts";

export async function writeScenes(folder: string): Promise<void> {
  mkdirSync(folder);
  const scenes = await drawScenes({ count: 8, carShare: 0.5, seed: "few" });
  for (const [i, { png }] of scenes.entries()) writeFileSync(join(folder, `${i}.png`), png);
}
