/** Text widths without a canvas, so that legends and axes are laid out for the real font. */

/** Advance widths of ASCII 32 to 126 in hundredths of the font size. Source: DejaVu Sans. */
const ADVANCES = [
  32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
  60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
  63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
] as const;

const OTHER_ADVANCE = 70;
/** Bold letters are this much wider on average. */
const BOLD = 1.11;

/** The width of one line of text in pixels at `size` pixels. */
export function textWidth(text: string, size: number, bold = false): number {
  let total = 0;
  for (const character of text) {
    total += ADVANCES[(character.codePointAt(0) ?? 0) - 32] ?? OTHER_ADVANCE;
  }
  return ((total * size) / 100) * (bold ? BOLD : 1);
}

/** Breaks after "·", "," and ":" so that lines stay within `most` pixels where these allow. */
export function wrapText(text: string, size: number, most: number, bold = false): string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of text.split(/(?<=[·,:]) /)) {
    const longer = line === "" ? part : `${line} ${part}`;
    if (line !== "" && textWidth(longer, size, bold) > most) {
      lines.push(line);
      line = part;
    } else line = longer;
  }
  return [...lines, line];
}
