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
export function drawPlate(text: string, x: number, y: number, width: number): string {
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
