/** SVG parts of the drawn street scenes: surroundings and a sedan seen from its side. */

/** Uniform in [0, 1). */
export type Random = () => number;

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
  const sky = `hsl(${between(random, 195, 225)} 55% ${between(random, 72, 86)}%)`;
  const grass = `hsl(${between(random, 85, 125)} 32% ${between(random, 36, 48)}%)`;
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
  const green = `hsl(${between(random, 90, 140)} 38% ${between(random, 24, 38)}%)`;
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
export const SEDAN = { length: 400, height: 122 } as const;

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

/**
 * A stroke font for drawn number plates: A to Z and 0 to 9 as SVG paths in cells of 10 × 16 units.
 * Drawn for this project, because a bare server has no fonts for SVG text.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  A: "M0 16L5 0L10 16M2 11H8",
  B: "M0 8H5.5A4 4 0 0 0 5.5 0H0V16H6A4 4 0 0 0 6 8",
  C: "M10 4.5A5 4.8 0 0 0 0 5V11A5 4.8 0 0 0 10 11.5",
  D: "M0 0V16H4A6 6 0 0 0 10 10V6A6 6 0 0 0 4 0Z",
  E: "M10 0H0V16H10M0 8H8",
  F: "M10 0H0V16M0 8H8",
  G: "M10 4.5A5 4.8 0 0 0 0 5V11A5 5 0 0 0 10 11V9H6",
  H: "M0 0V16M10 0V16M0 8H10",
  I: "M5 0V16",
  J: "M9 0V11A4.5 5 0 0 1 0 11.5",
  K: "M0 0V16M10 0L0 9.5M3.5 6.5L10 16",
  L: "M0 0V16H10",
  M: "M0 16V0L5 9L10 0V16",
  N: "M0 16V0L10 16V0",
  O: "M0 5A5 5 0 0 1 10 5V11A5 5 0 0 1 0 11Z",
  P: "M0 16V0H5.5A4.5 4.5 0 0 1 5.5 9H0",
  Q: "M0 5A5 5 0 0 1 10 5V11A5 5 0 0 1 0 11ZM6 11L10.5 16.5",
  R: "M0 16V0H5.5A4.5 4.5 0 0 1 5.5 9H0M5 9L10 16",
  S: "M9.6 4A4.6 4 0 0 0 0.4 4C0.4 9 9.8 7 9.8 12A4.8 4 0 0 1 0.2 12",
  T: "M0 0H10M5 0V16",
  U: "M0 0V11A5 5 0 0 0 10 11V0",
  V: "M0 0L5 16L10 0",
  W: "M0 0L2.5 16L5 5L7.5 16L10 0",
  X: "M0 0L10 16M10 0L0 16",
  Y: "M0 0L5 8L10 0M5 8V16",
  Z: "M0 0H10L0 16H10",
  "0": "M1 5A4 5 0 0 1 9 5V11A4 5 0 0 1 1 11Z",
  "1": "M2 3.5L6 0V16",
  "2": "M1 4.5A4.2 4.4 0 0 1 9.3 4.5C9.3 8 2 11 0.5 16H10",
  "3": "M1 3A4.2 3.8 0 1 1 4.5 7.5A4.6 4.3 0 1 1 0.4 12.8",
  "4": "M7.5 16V0L0 11.5H10",
  "5": "M9 0H1.5L1 7.5A4.8 4.8 0 1 1 0.5 13",
  "6": "M8.5 0.5C3 3 0.3 7 0.3 11.3A4.7 4.7 0 1 0 5 6.6C2.5 6.6 0.8 8.5 0.5 10.5",
  "7": "M0 0H10L4 16",
  "8": "M5 0A4 3.75 0 0 1 5 7.5A4 3.75 0 0 1 5 0M5 7.5A4.7 4.25 0 0 1 5 16A4.7 4.25 0 0 1 5 7.5",
  "9": "M1.5 15.5C7 13 9.7 9 9.7 4.7A4.7 4.7 0 1 0 5 9.4C7.5 9.4 9.2 7.5 9.5 5.5",
};

const STROKE = 2.4;
/** From one character to the next; a space takes half. */
const ADVANCE = 15;
const HEIGHT = 16;
const MARGIN = { x: 9, y: 7 };

/**
 * An SVG group: a white plate, `width` units wide, centred at (x, y), with `text` in A to Z, 0 to 9
 * and spaces. Other characters are a bug.
 */
function drawPlate(text: string, x: number, y: number, width: number): string {
  let pen = MARGIN.x;
  const strokes: string[] = [];
  for (const character of text) {
    if (character === " ") {
      pen += ADVANCE / 2;
      continue;
    }
    const path = GLYPHS[character];
    if (path === undefined) throw new Error(`no glyph for ${JSON.stringify(character)}`);
    strokes.push(`<path transform="translate(${pen} ${MARGIN.y})" d="${path}"/>`);
    pen += ADVANCE;
  }
  const plateWidth = pen - ADVANCE + 10 + MARGIN.x;
  const plateHeight = HEIGHT + 2 * MARGIN.y;
  const scale = width / plateWidth;
  const left = x - width / 2;
  const top = y - (plateHeight * scale) / 2;
  return `<g transform="translate(${left} ${top}) scale(${scale})">
<rect width="${plateWidth}" height="${plateHeight}" rx="3" fill="#fdfdf8"
 stroke="#222" stroke-width="1.2"/>
<g fill="none" stroke="#111" stroke-width="${STROKE}" stroke-linecap="round"
 stroke-linejoin="round">
${strokes.join("\n")}
</g></g>`;
}
