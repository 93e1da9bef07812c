/** SVG to PNG, with fonts that travel with the package. */

import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const PNG_ZOOM = 2;
const require = createRequire(import.meta.url);
const FONT_FILES = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"];

/** The SVG as PNG at twice its size; text is drawn with DejaVu Sans whatever the system has. */
export function renderPng(svg: string): Uint8Array {
  const fontFiles = FONT_FILES.map((file) => require.resolve(`dejavu-fonts-ttf/ttf/${file}`));
  const resvg = new Resvg(svg, {
    font: { fontFiles, loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" },
    fitTo: { mode: "zoom", value: PNG_ZOOM },
  });
  return resvg.render().asPng();
}
