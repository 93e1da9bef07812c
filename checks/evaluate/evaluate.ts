/** How well cars and plates are read on pictures whose truth is known. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, parse } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { PlateValue } from "../../models/plate-reader.ts";
import { openTaskModel } from "../../models/registry.ts";
import { loadImages, type NamedImage } from "../../models/scenes.ts";
import type { TaskOutput } from "../../models/task-model.ts";

interface EvaluatedImage {
  readonly file: string;
  readonly truth: string;
  /** Whether the detector found a vehicle. */
  readonly vehicle: boolean;
  /** The text that was read, by side; "" where none was. */
  readonly read: Readonly<Record<number, string>>;
}

export type Evaluation = Awaited<ReturnType<typeof evaluate>>;

const VEHICLES = ["car", "truck", "bus", "motorcycle"];

/**
 * Runs detector and plate reader over the labelled pictures of a folder. Truth is in labels.csv
 * (columns file and plate), else in a text file of the picture's name (its last word), else in the
 * picture's name after its last - or _. Throws a Fault when there is none.
 */
export async function evaluate(
  dir: string,
  sides: readonly number[],
  onImage: (done: number, total: number) => void = () => undefined,
) {
  const labelled = await labelledImages(dir);
  const detector = await openTaskModel("ssd-mobilenet-v2");
  const readers = await Promise.all(sides.map((side) => openTaskModel("plate-reader", { side })));
  const images: EvaluatedImage[] = [];
  for (const [i, { image, truth }] of labelled.entries()) {
    const payload = image.bytes;
    const detect = only(await detector.run([{ payload, upstream: {} }]));
    const read: Record<number, string> = {};
    for (const [r, reader] of readers.entries()) {
      const output = only(await reader.run([{ payload, upstream: { detect } }]));
      read[sides[r]!] = (output.value as PlateValue).plate ?? "";
    }
    const vehicle = detect.labels.some((label) => VEHICLES.includes(label));
    images.push({ file: image.name, truth, vehicle, read });
    onImage(i + 1, labelled.length);
  }
  await Promise.all([detector, ...readers].map((model) => model.close()));
  return {
    images,
    vehicles: images.filter(({ vehicle }) => vehicle).length,
    sides: scores(images, sides),
  };
}

function scores(images: readonly EvaluatedImage[], sides: readonly number[]) {
  return sides.map((side) => {
    const edits = images.map(({ truth, read }) => editDistance(truth, read[side] ?? ""));
    const exact = edits.filter((distance) => distance === 0).length;
    return { side, exact, withinOneEdit: edits.filter((distance) => distance <= 1).length };
  });
}

function only([output]: readonly (TaskOutput | Error)[]): TaskOutput {
  if (output === undefined || output instanceof Error) throw output ?? new Error("no output");
  return output;
}

interface Labelled {
  readonly image: NamedImage;
  readonly truth: string;
}

async function labelledImages(dir: string): Promise<readonly Labelled[]> {
  const images = await loadImages(dir);
  const table = await labelTable(join(dir, "labels.csv"));
  const labelled: Labelled[] = [];
  for (const image of images) {
    const truth = table?.get(image.name) ?? (await truthBeside(dir, image.name));
    if (truth !== "") labelled.push({ image, truth });
  }
  if (labelled.length > 0) return labelled;
  throw new Fault("invalid-input", `no picture in ${dir} has a known plate`, {
    hint: "write labels.csv with the columns file,plate, or name pictures like car-5AU5341.jpg",
  });
}

async function labelTable(path: string): Promise<ReadonlyMap<string, string> | null> {
  if (!existsSync(path)) return null;
  const [head = "", ...rows] = (await readFile(path, "utf8")).trim().split(/\r?\n/);
  const columns = cells(head).map((name) => name.toLowerCase());
  const [file, plate] = [columns.indexOf("file"), columns.indexOf("plate")];
  if (file < 0 || plate < 0) {
    throw new Fault("invalid-input", `${path} has the columns ${columns.join(", ")}`, {
      hint: "expected at least file and plate",
    });
  }
  return new Map(rows.map((row) => [cells(row)[file] ?? "", plateText(cells(row)[plate] ?? "")]));
}

function cells(row: string): string[] {
  return row.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1"));
}

async function truthBeside(dir: string, name: string): Promise<string> {
  const { name: stem } = parse(name);
  const beside = join(dir, `${stem}.txt`);
  if (existsSync(beside)) {
    const [line = ""] = (await readFile(beside, "utf8")).trim().split(/\r?\n/);
    return plateText(line.split(/\s+/).at(-1) ?? "");
  }
  return plateText(stem.split(/[-_]/).at(-1) ?? "");
}

function plateText(text: string): string {
  return text.toUpperCase().replace(/[^A-Z0-9]/g, "");
}

/** Insertions, deletions and substitutions from one text to another. Source: Wagner and Fischer (1974). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(changed, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
