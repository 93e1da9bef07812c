import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import seedrandom from "seedrandom";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import type { DetectorValue } from "./objects.ts";
import type { PlateValue } from "./plate-reader.ts";
import { openTaskModel } from "./registry.ts";
import { drawScenes, drawSedan, drawSurroundings, type Scene, scenePng } from "./scenes.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";

let detector: TaskModel;
let reader: TaskModel;
beforeAll(async () => {
  detector = await openTaskModel("ssd-mobilenet-v2");
  reader = await openTaskModel("plate-reader", { side: 320 });
});
afterAll(async () => {
  await detector.close();
  await reader.close();
});

const input = (payload: Uint8Array, upstream: TaskInput["upstream"] = {}): TaskInput => ({
  payload,
  upstream,
});

async function only(model: TaskModel, one: TaskInput): Promise<TaskOutput> {
  const [output] = await model.run([one]);
  if (output === undefined || output instanceof Error) throw output ?? new Error("no output");
  return output;
}

async function readScene({
  png,
}: Pick<Scene, "png">): Promise<{ hasCar: boolean; plate: string | null }> {
  const detect = await only(detector, input(png));
  const { value } = await only(reader, input(png, { detect }));
  return { hasCar: detect.labels.includes("car"), plate: (value as PlateValue).plate };
}

const SEEDS = IS_LONG ? [1, 2] : [1];
const SCENES = IS_LONG ? 20 : 10;

test("drawn scenes: a car is found just where there is one, and every plate is read", async () => {
  const drawn = await Promise.all(
    SEEDS.map((seed) => drawScenes({ count: SCENES, carShare: 0.75, seed })),
  );
  for (const { png, truth } of drawn.flat()) {
    const { hasCar, plate } = await readScene({ png });
    expect(hasCar).toBe(truth.car);
    if (truth.car) expect(plate).toBe(truth.plate);
  }
});

test("plates are read as they are, in whatever order of letters and digits", async () => {
  const plates = ["HB6LXZ", "GNU6BGV", "AB2BZ5", "5TZA419", "RK340AO", "1234BCD", "GWAGEN"];
  for (const plate of plates) {
    const random = seedrandom(plate);
    const surroundings = drawSurroundings(random, 640, 480, 270);
    const png = scenePng(surroundings + drawSedan(random, plate, 100, 400, 1.2));
    expect(await readScene({ png })).toEqual({ hasCar: true, plate });
  }
});

const PHOTOGRAPH = "../shared/data/images/car-plate-5AU5341.png";
const hasPhotograph = needs(PHOTOGRAPH, existsSync(PHOTOGRAPH));

describe("the photograph of a real car", () => {
  test.skipIf(!hasPhotograph)(
    "has a car with plate 5AU5341, at every side that is tried",
    async () => {
      const payload = await readFile(PHOTOGRAPH);
      const detect = await only(detector, input(payload));
      const { width, height, objects } = detect.value as DetectorValue;
      expect([width, height]).toEqual([518, 331]);
      expect(detect.labels).toEqual(["car"]);
      expect(objects[0]!.score).toBeGreaterThan(0.85);
      for (const side of IS_LONG ? [224, 320, 480, 640] : [320]) {
        const variant = await openTaskModel("plate-reader", { side });
        const { labels, value } = await only(variant, input(payload, { detect }));
        await variant.close();
        expect({ side, labels, value }).toMatchObject({
          side,
          labels: ["plate"],
          value: { plate: "5AU5341" },
        });
        const [x0, y0, x1, y1] = (value as PlateValue).box!;
        expect(x0 > 290 && y0 > 180 && x1 < 405 && y1 < 225).toBe(true);
      }
    },
  );

  test.skipIf(!hasPhotograph)("gives its plate without a detector before", async () => {
    const { value } = await only(reader, input(await readFile(PHOTOGRAPH)));
    expect((value as PlateValue).plate).toBe("5AU5341");
  });
});

test("a batch gives what its images give alone, and a bad image fails alone", async () => {
  const scenes = await drawScenes({ count: 3, carShare: 0.67, seed: 9 });
  const bad = input(Buffer.from("this is not an image"));
  const good = scenes.map(({ png }) => input(png));
  for (const model of [detector, reader]) {
    const alone = await Promise.all(good.map((one) => only(model, one)));
    const [first, failed, empty, ...others] = await model.run([
      good[0]!,
      bad,
      input(new Uint8Array()),
      good[1]!,
      good[2]!,
    ]);
    expect([first, ...others]).toEqual(alone.map(approximately));
    expect(failed).toMatchObject({
      code: "invalid-input",
      message: /20 bytes.*not a readable image/,
    });
    expect(empty).toMatchObject({ code: "invalid-input", message: /it is empty/ });
  }
});

/** The same output, but for the last digits of a score: the order of a sum depends on the batch. */
function approximately(output: TaskOutput): unknown {
  return JSON.parse(JSON.stringify(output), (_, value) =>
    typeof value === "number" ? expect.closeTo(value, 4) : value,
  );
}

test("only PNG, JPEG and WebP are images: SVG is refused", async () => {
  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
  const [output] = await detector.run([input(svg)]);
  expect(output).toMatchObject({ code: "invalid-input", message: /its format is svg/ });
});

test("upstream values of any shape are tolerated", async () => {
  const [{ png }] = (await drawScenes({ count: 1, carShare: 1, seed: 5 })) as [Scene];
  const values = [null, 7, "text", { objects: 1 }, { objects: [null, { label: "car", box: [1] }] }];
  const upstream = Object.fromEntries(values.map((value, i) => [`t${i}`, { labels: [], value }]));
  expect(await only(reader, input(png, upstream))).toEqual(await only(reader, input(png)));
});

test("the no-op model answers every input at once with nothing", async () => {
  const noOp = await openTaskModel("no-op");
  expect(await noOp.run([input(new Uint8Array()), input(new Uint8Array())])).toEqual([
    { labels: [], value: null },
    { labels: [], value: null },
  ]);
  await noOp.close();
});

test("an unknown name or parameter is a fault that tells the nearest known one", async () => {
  await expect(openTaskModel("plate-raeder")).rejects.toMatchObject({
    code: "invalid-input",
    hint: expect.stringContaining('did you mean "plate-reader"?'),
  });
  await expect(openTaskModel("toString")).rejects.toMatchObject({ code: "invalid-input" });
  await expect(openTaskModel("plate-reader", { sid: 320, side: 100 })).rejects.toMatchObject({
    code: "invalid-input",
    issues: [
      { path: "parameters.sid", hint: expect.stringContaining("side") },
      {
        path: "parameters.side",
        message: "is 100, not a multiple of 32 from 96 to 1280, in pixels",
      },
    ],
  });
});
