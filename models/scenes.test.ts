import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import type { Fault } from "../engine/basics/fault.ts";
import { drawScenes, loadImages } from "./scenes.ts";

test("the same seed draws the same scenes and another seed draws others", async () => {
  const options = { count: 6, carShare: 0.5, width: 160, height: 120 };
  const [first, again, other] = await Promise.all([
    drawScenes({ ...options, seed: 1 }),
    drawScenes({ ...options, seed: 1 }),
    drawScenes({ ...options, seed: 2 }),
  ]);
  expect(first).toEqual(again);
  first.forEach(({ png }, i) => {
    expect(Buffer.from(png).equals(other[i]!.png)).toBe(false);
  });
});

test("the share of cars is met exactly, in an order that depends on the seed", async () => {
  const order = async (seed: number) => {
    const scenes = await drawScenes({ count: 20, carShare: 0.3, seed, width: 32, height: 24 });
    for (const { truth } of scenes) expect(truth.plate !== null).toBe(truth.car);
    return scenes.map(({ truth }) => truth.car);
  };
  const orders = await Promise.all([order(1), order(2)]);
  for (const cars of orders) expect(cars.filter(Boolean)).toHaveLength(6);
  expect(orders[0]).not.toEqual(orders[1]);
});

test("a scene has the size asked for, and a blue sky", async () => {
  const [scene] = await drawScenes({ count: 1, carShare: 1, seed: 1, width: 300, height: 200 });
  expect(await sharp(scene!.png).metadata()).toMatchObject({
    format: "png",
    width: 300,
    height: 200,
  });
  const [red, , blue] = await sharp(scene!.png).raw().toBuffer();
  expect(blue).toBeGreaterThan(red! + 20);
});

test("a folder's images come sorted by name; without any it is a fault with a hint", async () => {
  const dir = await mkdtemp(join(tmpdir(), "tandem-images-"));
  try {
    await expect(loadImages(dir)).rejects.toMatchObject({ code: "not-found", hint: /PNG/ });
    const [scene] = await drawScenes({ count: 1, carShare: 0, seed: 1, width: 64, height: 48 });
    for (const name of ["b.JPG", "a.webp", "notes.txt"])
      await writeFile(join(dir, name), scene.png);
    const images = await loadImages(dir);
    expect(images.map(({ name }) => name)).toEqual(["a.webp", "b.JPG"]);
    expect(Buffer.from(images[1].bytes).equals(scene.png)).toBe(true);
    await expect(loadImages(join(dir, "none"))).rejects.toMatchObject({ code: "not-found" });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("files that are no images are named, all of them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tandem-images-"));
  const [scene] = await drawScenes({ count: 1, carShare: 1, seed: "good" });
  await writeFile(join(folder, "good.png"), scene.png);
  await writeFile(join(folder, "empty.png"), "");
  await writeFile(join(folder, "text.jpg"), "no image at all");
  const rejected = loadImages(folder);
  await expect(rejected).rejects.toMatchObject({ code: "invalid-input" });
  const { issues } = (await rejected.catch((error: Fault) => error)) as Fault;
  expect(issues.map(({ file }) => file)).toEqual([
    join(folder, "empty.png"),
    join(folder, "text.jpg"),
  ]);
  await rm(folder, { recursive: true });
});
