/** Cuts a turned line of text out of an image, upright and at a chosen height. */
import type { TurnedRectangle } from "./geometry.ts";
import type { RgbImage } from "./image.ts";

/**
 * Samples the rectangle into an image `height` pixels high, keeping its aspect. Each pixel is the
 * mean of a grid of bilinear samples, fine enough not to skip pixels when the line is shrunk;
 * beyond the image's edge its border repeats.
 */
export function cutLine(image: RgbImage, line: TurnedRectangle, height: number): RgbImage {
  const scale = line.height / height;
  const width = Math.max(Math.round(line.width / scale), 1);
  const samples = Math.max(Math.ceil(scale), 1);
  const rgb = new Uint8Array(width * height * 3);
  const step = { x: Math.cos(line.angle) * scale, y: Math.sin(line.angle) * scale };
  const sum: [number, number, number] = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      sum.fill(0);
      for (let i = 0; i < samples * samples; i++) {
        const down = row - height / 2 + (Math.floor(i / samples) + 0.5) / samples;
        const along = column - width / 2 + ((i % samples) + 0.5) / samples;
        const x = line.centre[0] + along * step.x - down * step.y;
        const y = line.centre[1] + along * step.y + down * step.x;
        addSample(image, x - 0.5, y - 0.5, sum);
      }
      const to = (row * width + column) * 3;
      for (let c = 0; c < 3; c++) rgb[to + c] = Math.round(sum[c]! / (samples * samples));
    }
  }
  return { width, height, rgb };
}

/** Adds the bilinear sample at (x, y), counted from the centre of the first pixel. */
function addSample(image: RgbImage, x: number, y: number, sum: [number, number, number]): void {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  for (let corner = 0; corner < 4; corner++) {
    const dx = corner & 1;
    const dy = corner >> 1;
    const weight = (dx === 1 ? x - x0 : 1 - x + x0) * (dy === 1 ? y - y0 : 1 - y + y0);
    const column = Math.min(Math.max(x0 + dx, 0), image.width - 1);
    const row = Math.min(Math.max(y0 + dy, 0), image.height - 1);
    const from = (row * image.width + column) * 3;
    for (let c = 0; c < 3; c++) sum[c]! += weight * image.rgb[from + c]!;
  }
}
