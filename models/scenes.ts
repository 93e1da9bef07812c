/** Pictures to serve: drawn street scenes whose truth is known, and the user's own photographs. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import seedrandom from "seedrandom";
import sharp from "sharp";
import { Fault, type Issue } from "../core/fault.ts";
import { checkImage } from "./image.ts";
import type { Random } from "./scene-drawing.ts";
import { drawSedan, drawSurroundings, SEDAN } from "./scene-drawing.ts";

export interface Scene {
  readonly png: Uint8Array;
  readonly truth: {
    readonly car: boolean;
    /** Without spaces; null where there is no car. */
    readonly plate: string | null;
  };
}

interface SceneOptions {
  readonly count: number;
  /** Share of scenes with a car, from 0 to 1; met as exactly as `count` allows. */
  readonly carShare: number;
  readonly seed: string | number;
  /** Pixels; default 640 × 480. */
  readonly width?: number;
  readonly height?: number;
}

/** The drawing's own units, scaled to the size asked for. */
const CANVAS = { width: 640, height: 480 } as const;

/** Without the letters that look like a digit or are not used on such plates. */
const LETTERS = "ABCEHJKLMNPRSTUVXYZ";
const DIGITS = "0123456789";

/**
 * Draws street scenes, a share of them with a sedan that carries a number plate on its flank.
 * The same options give the same bytes on the same version of sharp.
 */
export async function drawScenes(options: SceneOptions): Promise<readonly Scene[]> {
  const { count, carShare, seed, width = CANVAS.width, height = CANVAS.height } = options;
  const scenes: Scene[] = [];
  for (const [i, hasCar] of drawOrder(count, carShare, seedrandom(`${seed}/order`)).entries()) {
    const random = seedrandom(`${seed}/scene/${i}`);
    const plate = hasCar ? drawnPlateText(random) : null;
    const svg = sceneSvg(random, plate, width, height);
    const png = await sharp(Buffer.from(svg)).removeAlpha().png().toBuffer();
    scenes.push({ png, truth: { car: hasCar, plate: plate?.replaceAll(" ", "") ?? null } });
  }
  return scenes;
}

/** Which scenes have a car: the exact share, in shuffled order (Fisher and Yates). */
function drawOrder(count: number, carShare: number, random: Random): readonly boolean[] {
  const cars = Math.round(count * carShare);
  const order = Array.from({ length: count }, (_, i) => i < cars);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** As on Czech plates: digit from 1, two letters, space, four digits: "5AU 5341". */
function drawnPlateText(random: Random): string {
  const draw = (from: string) => from[Math.floor(random() * from.length)]!;
  const digits = Array.from({ length: 4 }, () => draw(DIGITS)).join("");
  return `${draw(DIGITS.slice(1))}${draw(LETTERS)}${draw(LETTERS)} ${digits}`;
}

function sceneSvg(random: Random, plate: string | null, width: number, height: number): string {
  const roadTop = CANVAS.height * (0.52 + 0.1 * random());
  const parts = [drawSurroundings(random, CANVAS.width, CANVAS.height, roadTop)];
  if (plate !== null) {
    const scale = 1 + 0.4 * random();
    const x = 12 + random() * (CANVAS.width - 24 - SEDAN.length * scale);
    const y = CANVAS.height * (0.78 + 0.12 * random());
    parts.push(drawSedan(random, plate, x, y, scale));
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
 viewBox="0 0 ${CANVAS.width} ${CANVAS.height}" preserveAspectRatio="xMidYMid slice">
${parts.join("\n")}
</svg>`;
}

export interface NamedImage {
  /** File name without its folder. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The photographs in a folder (png, jpg, jpeg, webp; not in sub-folders), sorted by name.
 * Throws Fault("not-found") when the folder is missing or has none, Fault("invalid-input") with
 * an issue for each file that is no readable image.
 */
export async function loadImages(dir: string): Promise<readonly NamedImage[]> {
  const hint = "name a folder with PNG, JPEG or WebP files";
  const names = await readdir(dir).catch((cause: unknown) => {
    throw new Fault("not-found", `cannot read the folder ${dir}`, { hint, cause });
  });
  const files = names.filter((name) => /\.(png|jpe?g|webp)$/i.test(name)).sort();
  if (files.length === 0) throw new Fault("not-found", `no image in the folder ${dir}`, { hint });
  const images: NamedImage[] = [];
  const issues: Issue[] = [];
  for (const name of files) {
    const bytes = await readFile(join(dir, name));
    try {
      await checkImage(bytes);
      images.push({ name, bytes });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      issues.push({ path: "", file: join(dir, name), message: error.message });
    }
  }
  if (issues.length === 0) return images;
  const count = `${issues.length} of ${files.length} files`;
  throw new Fault("invalid-input", `${dir}: ${count} are no readable images`, {
    hint: "take them out of the folder",
    issues,
  });
}
