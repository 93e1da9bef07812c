/** Pictures to send: the user's photographs, or scenes drawn by the project with known truth. */
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { drawScenes, loadImages } from "../models/scenes.ts";

/** Drawn scenes in a set: enough variety for a profile, few enough to draw in a second or two. */
const SCENES = 48;

/** Encoded images. Throws Fault when the folder is missing, empty or holds no image. */
export async function picturesFor(
  document: ScenarioDocument,
  imagesFolder: string | undefined,
): Promise<readonly Uint8Array[]> {
  if (imagesFolder !== undefined) {
    return (await loadImages(imagesFolder)).map((image) => image.bytes);
  }
  const scenes = await drawScenes({
    count: SCENES,
    carShare: carShare(document),
    seed: document.run.seed,
  });
  return scenes.map((scene) => scene.png);
}

/** The probability of the first condition on `car`; a half when there is none. */
function carShare(document: ScenarioDocument): number {
  for (const pipeline of Object.values(document.pipelines)) {
    for (const { when } of Object.values(pipeline.tasks)) {
      if (when?.contains === "car") return when.probability;
    }
  }
  return 0.5;
}
