/** Pictures to serve: drawn street scenes whose truth is known, and the user's own photographs. */
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import seedrandom from "seedrandom";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import { checkImage } from "./image.ts";

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

/** Uniform in [0, 1). */
type Random = () => number;

/** A bare server has no fonts for the text of plates. */
const FONT = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

/** The drawing's own units, scaled to the size asked for. */
const CANVAS = { width: 640, height: 480 } as const;

/** Without the letters that look like a digit or are not used on such plates. */
const LETTERS = "ABCEHJKLMNPRSTUVXYZ";
const DIGITS = "0123456789";

/** Draws street scenes, a share of them with a sedan and its number plate. The same options give the same bytes. */
export async function drawScenes(options: SceneOptions): Promise<readonly Scene[]> {
  const { count, carShare, seed, width = CANVAS.width, height = CANVAS.height } = options;
  const scenes: Scene[] = [];
  for (const [i, hasCar] of drawOrder(count, carShare, seedrandom(`${seed}/order`)).entries()) {
    const random = seedrandom(`${seed}/scene/${i}`);
    const plate = hasCar ? drawnPlateText(random) : null;
    const png = scenePng(sceneParts(random, plate), width, height);
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

function sceneParts(random: Random, plate: string | null): string {
  const roadTop = CANVAS.height * (0.52 + 0.1 * random());
  const parts = [drawSurroundings(random, CANVAS.width, CANVAS.height, roadTop)];
  if (plate !== null) {
    const scale = 1 + 0.4 * random();
    const x = 12 + random() * (CANVAS.width - 24 - SEDAN.length * scale);
    const y = CANVAS.height * (0.78 + 0.12 * random());
    parts.push(drawSedan(random, plate, x, y, scale));
  }
  return parts.join("\n");
}

/** SVG parts on the canvas as a picture of the size, in pixels. */
export function scenePng(
  parts: string,
  width: number = CANVAS.width,
  height: number = CANVAS.height,
): Uint8Array {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"
 viewBox="0 0 ${CANVAS.width} ${CANVAS.height}" preserveAspectRatio="xMidYMid slice">
${parts}
</svg>`;
  const font = { fontFiles: [FONT], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" };
  return new Resvg(svg, { font }).render().asPng();
}

function between(random: Random, low: number, high: number): number {
  return low + random() * (high - low);
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!;
}

const PAINTS = [
  "#b3202a",
  "#1f4e9c",
  "#2d6e3e",
  "#7d8288",
  "#c9ccd0",
  "#20242c",
  "#d8a31a",
  "#5b2a6b",
];
const WALLS = ["#c9b7a0", "#b98f77", "#d8d2c4", "#a9b3ae", "#c7a36b"];
const ROOFS = ["#7a3b2e", "#5a4a42", "#6b6f76"];

/** Sky, houses, trees and an empty road on a canvas; `roadTop` is where the road begins. */
export function drawSurroundings(
  random: Random,
  width: number,
  height: number,
  roadTop: number,
): string {
  const sky = `hsl(${Math.round(between(random, 195, 225))} 55% ${between(random, 72, 86)}%)`;
  const grass = `hsl(${Math.round(between(random, 85, 125))} 32% ${between(random, 36, 48)}%)`;
  const road = `hsl(220 4% ${between(random, 34, 50)}%)`;
  const horizon = roadTop * between(random, 0.8, 0.95);
  const props: string[] = [];
  for (let x = between(random, -40, 60); x < width; x += between(random, 90, 190)) {
    props.push(random() < 0.5 ? drawTree(random, x, horizon) : drawHouse(random, x, horizon));
  }
  const dashY = roadTop + (height - roadTop) * 0.86;
  return `<rect width="${width}" height="${height}" fill="${sky}"/>
<rect y="${horizon}" width="${width}" height="${height - horizon}" fill="${grass}"/>
${props.join("\n")}
<rect y="${roadTop}" width="${width}" height="${height - roadTop}" fill="${road}"/>
<rect y="${roadTop}" width="${width}" height="3" fill="#d9d9d2"/>
<path d="M${between(random, -60, 0)} ${dashY}H${width}" stroke="#e8e6dc" stroke-width="5"
 stroke-dasharray="46 38"/>`;
}

function drawTree(random: Random, x: number, ground: number): string {
  const size = between(random, 34, 62);
  const green = `hsl(${Math.round(between(random, 90, 140))} 38% ${between(random, 24, 38)}%)`;
  const crown = (dx: number, dy: number, r: number) =>
    `<circle cx="${x + dx * size}" cy="${ground - dy * size}" r="${r * size}" fill="${green}"/>`;
  return `<rect x="${x - size * 0.09}" y="${ground - size * 1.1}" width="${size * 0.18}"
 height="${size * 1.15}" fill="#5d4330"/>
${crown(-0.35, 1.5, 0.5)}${crown(0.35, 1.45, 0.52)}${crown(0, 2, 0.58)}${crown(0, 1.5, 0.5)}`;
}

function drawHouse(random: Random, x: number, ground: number): string {
  const width = between(random, 80, 140);
  const height = between(random, 60, 110);
  const top = ground - height;
  const windows: string[] = [];
  for (let row = 0; row + 1 < height / 34; row++) {
    for (let column = 0; column + 1 < width / 30; column++) {
      windows.push(
        `<rect x="${x + 12 + column * 30}" y="${top + 14 + row * 34}" width="15" height="20"
 fill="#e9eef2" stroke="#6a5c50" stroke-width="1.5"/>`,
      );
    }
  }
  return `<rect x="${x}" y="${top}" width="${width}" height="${height}"
 fill="${pick(random, WALLS)}"/>
<path d="M${x - 8} ${top}L${x + width / 2} ${top - height * 0.45}L${x + width + 8} ${top}Z"
 fill="${pick(random, ROOFS)}"/>
${windows.join("\n")}`;
}

/** The sedan's own units: 400 long, 122 high from the roof to the ground. */
const SEDAN = { length: 400, height: 122 } as const;

/**
 * A sedan from its side with `plate` on its flank; (x, y) is where its box's left lower corner
 * stands and `scale` the pixels per unit. Half of them look to the right; the plate is never
 * mirrored.
 */
export function drawSedan(
  random: Random,
  plate: string,
  x: number,
  y: number,
  scale: number,
): string {
  const paint = pick(random, PAINTS);
  const glass = `hsl(205 22% ${between(random, 24, 42)}%)`;
  const isMirrored = random() < 0.5;
  const mirror = isMirrored ? `translate(${SEDAN.length} 0) scale(-1 1)` : "";
  const plateX = isMirrored ? SEDAN.length - 205 : 205;
  return `<g transform="translate(${x} ${y - SEDAN.height * scale}) scale(${scale})">
<ellipse cx="200" cy="120" rx="196" ry="7" fill="#000" opacity="0.4"/>
<g transform="${mirror}">
${drawBody(paint)}
${drawCabin(paint, glass)}
${drawWheel(84)}${drawWheel(314)}
</g>
${drawPlate(plate, plateX, 79, 118)}
</g>`;
}

function drawBody(paint: string): string {
  return `<path d="M6 92C2 80 4 62 12 54C24 48 60 45 92 43C112 22 134 6 160 4C196 0 232 0 256 6
C284 14 304 30 322 42C350 44 378 48 390 58C397 66 398 82 395 94L388 102H12Z" fill="${paint}"/>
<path d="M6 92C2 80 4 62 12 54C24 48 60 45 92 43L322 42C350 44 378 48 390 58C393 61 395 66 396 72
C300 60 100 60 5 74Z" fill="#fff" opacity="0.14"/>
<path d="M10 96H390L388 104H12Z" fill="#1b1c1f"/>
<path d="M384 56C392 58 396 64 396 72L378 68C378 62 380 58 384 56Z" fill="#fdf3c8"/>
<path d="M8 58L22 56L20 72L5 74Z" fill="#d3202a"/>`;
}

function drawCabin(paint: string, glass: string): string {
  return `<path d="M106 43C122 26 140 13 162 11C176 9 190 9 200 9V43Z" fill="${glass}"/>
<path d="M208 9C228 8 244 9 254 12C274 18 292 30 306 42L208 43Z" fill="${glass}"/>
<path d="M132 20L124 43" stroke="${paint}" stroke-width="6"/>
<path d="M204 10V100M122 46C116 66 118 84 126 98M286 44C292 60 290 82 282 98" fill="none"
 stroke="#000" stroke-opacity="0.45" stroke-width="1.8"/>
<rect x="140" y="53" width="20" height="4" rx="2" fill="#000" opacity="0.45"/>
<rect x="222" y="53" width="20" height="4" rx="2" fill="#000" opacity="0.45"/>
<path d="M282 36C290 32 300 34 300 40V44H284Z" fill="${paint}"
 stroke="#000" stroke-opacity="0.4"/>`;
}

function drawWheel(x: number): string {
  const spokes = [0, 36, 72, 108, 144].map(
    (angle) => `<path d="M${x - 16} 96H${x + 16}" transform="rotate(${angle} ${x} 96)"/>`,
  );
  return `<circle cx="${x}" cy="95" r="31" fill="#141518"/><circle cx="${x}" cy="96" r="26"
 fill="#232427"/><circle cx="${x}" cy="96" r="17" fill="#b9bdc2"/>
<g stroke="#6d7278" stroke-width="4">${spokes.join("")}</g>
<circle cx="${x}" cy="96" r="5" fill="#3b3e42"/>`;
}

const PLATE_HEIGHT = 28;

/** A white plate, `width` units wide, centred at (x, y). */
function drawPlate(text: string, x: number, y: number, width: number): string {
  return `<rect x="${x - width / 2}" y="${y - PLATE_HEIGHT / 2}" width="${width}"
 height="${PLATE_HEIGHT}" rx="3" fill="#fdfdf8" stroke="#222" stroke-width="1.2"/>
<text x="${x}" y="${y + 8}" font-size="22" text-anchor="middle" fill="#111">${text}</text>`;
}

interface NamedImage {
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
