/**
 * Photographs of one car with other plates: European layouts, warped onto the place of its own,
 * then turned, blurred, darkened, made noisy and compressed. Truth is known.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Resvg } from "@resvg/resvg-js";
import seedrandom from "seedrandom";
import sharp, { type Sharp } from "sharp";

type Random = () => number;
type Quad = readonly (readonly [number, number])[];

export interface HardPlate {
  readonly jpeg: Uint8Array;
  readonly plate: string;
  readonly kind: string;
}

/** Corners of the photograph's own plate, frame included: from its left upper one, clockwise. */
const OWN_PLATE: Quad = [
  [306, 190],
  [386, 190],
  [389, 211.5],
  [308.5, 212],
];
const FONTS = join(
  dirname(createRequire(import.meta.url).resolve("dejavu-fonts-ttf/package.json")),
  "ttf",
);
const FACES = ["DejaVu Sans Condensed", "DejaVu Sans Mono", "DejaVu Sans"];
const LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ";
const DIGITS = "0123456789";

/** A pattern: L letter, 9 digit, others as they are; `*` is where seals hang. */
const LAYOUTS: readonly { country: string; patterns: readonly string[]; kind: string }[] = [
  { country: "D", kind: "D", patterns: ["L*LL 999", "LL*LL 9999", "LLL*L 99", "LL*L 999"] },
  { country: "F", kind: "F", patterns: ["LL-999-LL"] },
  { country: "I", kind: "I", patterns: ["LL 999LL"] },
  { country: "E", kind: "E", patterns: ["9999 LLL"] },
  { country: "GB", kind: "GB", patterns: ["LL99 LLL"] },
  { country: "NL", kind: "NL", patterns: ["99-LLL-9", "LL-999-L", "L-999-LL"] },
  { country: "PL", kind: "PL", patterns: ["LL 99999", "LLL 9LL9", "LL 999LL"] },
  { country: "CZ", kind: "CZ", patterns: ["9LL* 9999", "9L9* 9999"] },
  { country: "SK", kind: "SK", patterns: ["LL*999LL"] },
  { country: "A", kind: "A", patterns: ["L*99999L", "LL*999LL"] },
];

const between = (random: Random, low: number, high: number) => low + random() * (high - low);
const pick = <T>(random: Random, items: readonly T[] | string): T =>
  items[Math.floor(random() * items.length)] as T;

/** `photograph` is the encoded car that OWN_PLATE belongs to. */
export async function hardPlates(
  photograph: Uint8Array,
  count: number,
  seed: string,
): Promise<readonly HardPlate[]> {
  const plates: HardPlate[] = [];
  for (let i = 0; i < count; i++) {
    plates.push(await hardPlate(photograph, seedrandom(`${seed}/${i}`), i));
  }
  return plates;
}

async function hardPlate(photograph: Uint8Array, random: Random, i: number): Promise<HardPlate> {
  const layout = LAYOUTS[i % LAYOUTS.length]!;
  const pattern = pick<string>(random, layout.patterns);
  const text = [...pattern]
    .map((c) =>
      c === "L" ? pick<string>(random, LETTERS) : c === "9" ? pick<string>(random, DIGITS) : c,
    )
    .join("");
  const twoLines = random() < 0.08;
  const drawn = rasterize(plateSvg(random, text, layout.country, twoLines));
  const zoom = between(random, 1, 2);
  const base = await sharp(photograph)
    .resize({ width: Math.round(518 * zoom), kernel: "cubic" })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = base.info;
  const wobble = () => between(random, -1.2, 1.2);
  const quad = OWN_PLATE.map(([x, y], corner) => {
    const taller = twoLines ? (corner < 2 ? -9 : 4) : 0;
    return [(x + wobble()) * zoom, (y + wobble() + taller) * zoom] as const;
  });
  warpOnto(base.data, width, height, drawn, quad);
  const extra = random() < 0.5 ? distractors(random, width, height, zoom) : null;
  let image = sharp(base.data, { raw: { width, height, channels: 3 } });
  if (extra !== null)
    image = sharp(
      await image
        .composite([{ input: extra }])
        .png()
        .toBuffer(),
    );
  return {
    jpeg: await worn(image, random),
    plate: text.replace(/[^A-Z0-9]/g, ""),
    kind: twoLines ? `${layout.kind}, two lines` : layout.kind,
  };
}

async function worn(image: Sharp, random: Random): Promise<Uint8Array> {
  let worse = sharp(await image.png().toBuffer());
  if (random() < 0.6) {
    const angle = between(random, -15, 15);
    worse = sharp(await worse.rotate(angle, { background: "#777" }).png().toBuffer());
  }
  if (random() < 0.5) worse = worse.blur(between(random, 0.4, 1.3));
  if (random() < 0.4) worse = worse.linear(between(random, 0.3, 0.7), between(random, 0, 15));
  const { data, info } = await worse.removeAlpha().raw().toBuffer({ resolveWithObject: true });
  if (random() < 0.6) {
    const strength = between(random, 3, 16);
    for (let i = 0; i < data.length; i++) {
      const noise = (random() + random() + random() - 1.5) * strength;
      data[i] = Math.max(0, Math.min(255, data[i]! + noise));
    }
  }
  const { width, height } = info;
  const quality = pick<number>(random, [40, 60, 75, 90]);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
}

function plateSvg(random: Random, text: string, country: string, twoLines: boolean): string {
  const face = pick<string>(random, FACES);
  const isYellow = country === "NL" || (country === "GB" && random() < 0.5);
  const paper = isYellow ? "#f6c21c" : "#f4f4f0";
  const hasBand = random() < 0.85;
  const height = twoLines ? 220 : 110;
  const width = twoLines ? 300 : 520;
  const band = hasBand ? 44 : 0;
  const parts = [
    `<rect width="${width}" height="${height}" rx="8" fill="${paper}" stroke="#222" stroke-width="3"/>`,
    hasBand ? bandSvg(country, height) : "",
    country === "I" || country === "F" ? endBandSvg(width, height) : "",
  ];
  const end = country === "I" || country === "F" ? width - 44 : width;
  const lines = twoLines ? inTwo(text) : [text];
  lines.forEach((line, row) => {
    parts.push(lineSvg(random, line, face, band + 8, end - 8, row * 108 + 92));
  });
  const frame = random() < 0.5 ? pick(random, DEALERS) : null;
  const outer = frame === null ? 10 : 26;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -10 ${width + 24} ${height + 10 + outer}"
 width="${2 * (width + 24)}" height="${2 * (height + 10 + outer)}"><rect x="-12" y="-10" width="${width + 24}" height="${height + 10 + outer}" fill="#181818"/>
${parts.join("\n")}
${frame === null ? "" : `<text x="${width / 2}" y="${height + 20}" font-family="DejaVu Sans" font-size="17" fill="#eee" text-anchor="middle">${frame}</text>`}
</svg>`;
}

const DEALERS = ["AUTO WEBER GMBH 0711 48210", "www.autohaus-klein.de", "GARAGE DU LAC", "SKODA"];

function inTwo(text: string): readonly string[] {
  const at = Math.max(text.search(/[ *-]/), 0) || 3;
  return [text.slice(0, at), text.slice(at).replace(/^[ *-]/, "")];
}

function bandSvg(country: string, height: number): string {
  const stars = Array.from({ length: 12 }, (_, i) => {
    const angle = (i / 12) * 2 * Math.PI;
    return `<circle cx="${22 + 13 * Math.cos(angle)}" cy="${height * 0.32 + 13 * Math.sin(angle)}" r="2" fill="#ffd83a"/>`;
  }).join("");
  return `<rect x="2" y="2" width="42" height="${height - 4}" rx="6" fill="#1d3f9c"/>${stars}
<text x="22" y="${height - 14}" font-family="DejaVu Sans" font-weight="bold" font-size="${country.length > 1 ? 22 : 28}" fill="#fff" text-anchor="middle">${country}</text>`;
}

function endBandSvg(width: number, height: number): string {
  return `<rect x="${width - 44}" y="2" width="42" height="${height - 4}" rx="6" fill="#1d3f9c"/>
<text x="${width - 22}" y="${height - 14}" font-family="DejaVu Sans" font-size="22" fill="#fff" text-anchor="middle">75</text>`;
}

function lineSvg(
  random: Random,
  text: string,
  face: string,
  left: number,
  right: number,
  baseline: number,
): string {
  const widthOf = (c: string) => (c === " " ? 0.45 : c === "*" ? 0.6 : c === "-" ? 0.6 : 1);
  const units = [...text].reduce((sum, c) => sum + widthOf(c), 0);
  const advance = Math.min((right - left) / units, 66);
  let pen = left + (right - left - advance * units) / 2;
  const weight = random() < 0.75 ? "bold" : "normal";
  return [...text]
    .map((c) => {
      const at = pen + (advance * widthOf(c)) / 2;
      pen += advance * widthOf(c);
      if (c === " ") return "";
      if (c === "*") return sealSvg(random, at, baseline);
      const squeeze = Math.min(1, (advance * 0.92) / 62);
      return `<text transform="translate(${at} ${baseline}) scale(${squeeze} 1)" font-family="${face}" font-weight="${weight}" font-size="100" fill="#151515" text-anchor="middle">${c}</text>`;
    })
    .join("");
}

function sealSvg(random: Random, x: number, baseline: number): string {
  const colour = pick<string>(random, ["#3a7d44", "#b23a3a", "#c9a227", "#3f66b0"]);
  return [64, 22]
    .map(
      (up) =>
        `<circle cx="${x}" cy="${baseline - up}" r="13" fill="#ddd" stroke="${colour}" stroke-width="6"/>`,
    )
    .join("");
}

function distractors(random: Random, width: number, height: number, zoom: number): Buffer {
  const texts = [
    "0171 5551234",
    "TAXI 4711",
    "1.9 TDI",
    "ABI 2019",
    "www.pizza-roma.it",
    "A4 QUATTRO",
  ];
  const drawn = [pick<string>(random, texts), pick<string>(random, texts)].map((text, i) => {
    const x = (i === 0 ? between(random, 255, 300) : between(random, 245, 330)) * zoom;
    const y = (i === 0 ? between(random, 150, 165) : between(random, 85, 110)) * zoom;
    const size = between(random, 9, 15) * zoom;
    return `<text x="${x}" y="${y}" font-family="DejaVu Sans" font-weight="bold" font-size="${size}" fill="${i === 0 ? "#333" : "#eee"}">${text}</text>`;
  });
  return png(
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${drawn.join("")}</svg>`,
  );
}

function resvgOf(svg: string): Resvg {
  const fontFiles = [
    "Sans",
    "Sans-Bold",
    "SansCondensed",
    "SansCondensed-Bold",
    "SansMono",
    "SansMono-Bold",
  ];
  return new Resvg(svg, {
    font: {
      loadSystemFonts: false,
      fontFiles: fontFiles.map((name) => join(FONTS, `DejaVu${name}.ttf`)),
    },
  });
}

function png(svg: string): Buffer {
  return resvgOf(svg).render().asPng();
}

interface Raster {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly pixels: Uint8Array;
}

function rasterize(svg: string): Raster {
  const { width, height, pixels } = resvgOf(svg).render();
  return { width, height, pixels };
}

/** Draws `plate` over the quadrilateral, each pixel the mean of 3 × 3 samples. */
function warpOnto(
  target: Uint8Array,
  width: number,
  height: number,
  plate: Raster,
  quad: Quad,
): void {
  const inverse = toUnitSquare(quad);
  const xs = quad.map(([x]) => x);
  const ys = quad.map(([, y]) => y);
  for (let y = Math.floor(Math.min(...ys)); y <= Math.min(Math.max(...ys), height - 1); y++) {
    for (let x = Math.floor(Math.min(...xs)); x <= Math.min(Math.max(...xs), width - 1); x++) {
      const sum = [0, 0, 0];
      let hits = 0;
      for (let s = 0; s < 9; s++) {
        const [u, v] = inverse(x + ((s % 3) + 0.5) / 3, y + (Math.floor(s / 3) + 0.5) / 3);
        if (u < 0 || u >= 1 || v < 0 || v >= 1) continue;
        hits++;
        boxSample(plate, u, v, sum);
      }
      const at = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) {
        target[at + c] = (sum[c]! + target[at + c]! * (9 - hits)) / 9;
      }
    }
  }
}

/** Adds the mean of 5 × 5 pixels: the plate is drawn much larger than it is shown. */
function boxSample({ width, height, pixels }: Raster, u: number, v: number, sum: number[]): void {
  for (let i = 0; i < 25; i++) {
    const x = Math.min(width - 1, Math.max(0, Math.round(u * width) + (i % 5) - 2));
    const y = Math.min(height - 1, Math.max(0, Math.round(v * height) + Math.floor(i / 5) - 2));
    for (let c = 0; c < 3; c++) sum[c]! += pixels[(y * width + x) * 4 + c]! / 25;
  }
}

/** The projective map of a quadrilateral to the unit square. Source: Heckbert (1989), section 2.2.3. */
function toUnitSquare(quad: Quad): (x: number, y: number) => readonly [number, number] {
  const [[x0, y0], [x1, y1], [x2, y2], [x3, y3]] = quad as [
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
    readonly [number, number],
  ];
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const den = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / den;
  const h = (dx1 * sy - sx * dy1) / den;
  const [a, b, c] = [x1 - x0 + g * x1, x3 - x0 + h * x3, x0];
  const [d, e, f] = [y1 - y0 + g * y1, y3 - y0 + h * y3, y0];
  return (x, y) => {
    const [A, B, C] = [e - f * h, c * h - b, b * f - c * e];
    const [D, E, F] = [f * g - d, a - c * g, c * d - a * f];
    const [G, H, I] = [d * h - e * g, b * g - a * h, a * e - b * d];
    const w = G * x + H * y + I;
    return [(A * x + B * y + C) / w, (D * x + E * y + F) / w];
  };
}
