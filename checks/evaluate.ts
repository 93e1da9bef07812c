/** `npm run evaluate -- DIR`: how well cars and plates are read on pictures whose truth is known. */
import { existsSync, readFileSync } from "node:fs";
import { join, parse } from "node:path";
import { parseArgs } from "node:util";
import { Fault } from "../engine/basics/fault.ts";
import type { PlateValue } from "../models/plate-reader.ts";
import { openTaskModel } from "../models/registry.ts";
import { loadImages } from "../models/scenes.ts";
import type { TaskOutput } from "../models/task-model.ts";
import { editDistance } from "../scenario/reading/issues.ts";

const USAGE = `usage: npm run evaluate -- DIR [--sides 224,320,480,640] [--json]
  Reads the pictures of DIR. Their plates are in DIR/labels.csv (columns file,plate), in NAME.txt
  beside each picture (its last word), or in the picture's name (car-5AU5341.jpg).
`;
const VEHICLES = ["car", "truck", "bus", "motorcycle"];

type Evaluation = Awaited<ReturnType<typeof evaluate>>;

/** Runs detector and plate reader over the pictures of a folder. Throws a Fault when no truth is known. */
async function evaluate(dir: string, sides: readonly number[]) {
  const labelled = await labelledImages(dir);
  const detector = await openTaskModel("ssd-mobilenet-v2");
  const readers = await Promise.all(sides.map((side) => openTaskModel("plate-reader", { side })));
  const images: { file: string; truth: string; vehicle: boolean; read: Record<number, string> }[] =
    [];
  for (const { name: file, payload, truth } of labelled) {
    const detect = only(await detector.run([{ payload, upstream: {} }]));
    /** The text that was read, by side; "" where none was. */
    const read: Record<number, string> = {};
    for (const [r, reader] of readers.entries()) {
      const output = only(await reader.run([{ payload, upstream: { detect } }]));
      read[sides[r]] = (output.value as PlateValue).plate ?? "";
    }
    const vehicle = detect.labels.some((label) => VEHICLES.includes(label));
    images.push({ file, truth, vehicle, read });
    if (process.stderr.isTTY) process.stderr.write(`\r${images.length}/${labelled.length} `);
  }
  await Promise.all([detector, ...readers].map((model) => model.close()));
  const within = (side: number, edits: number): number =>
    images.filter(({ truth, read }) => editDistance(truth, read[side]) <= edits).length;
  return {
    images,
    vehicles: images.filter(({ vehicle }) => vehicle).length,
    sides: sides.map((side) => ({ side, exact: within(side, 0), withinOneEdit: within(side, 1) })),
  };
}

function only([output]: readonly (TaskOutput | Error)[]): TaskOutput {
  if (output instanceof Error) throw output;
  return output;
}

/**
 * Truth is in labels.csv (columns file and plate), else in a text file of the picture's name (its last
 * word), else in the picture's name after its last - or _.
 */
async function labelledImages(dir: string) {
  const table = labelTable(join(dir, "labels.csv"));
  const labelled = (await loadImages(dir)).map(({ name, bytes }) => {
    const { name: stem } = parse(name);
    const beside = join(dir, `${stem}.txt`);
    const [line] = existsSync(beside) ? linesOf(beside) : [stem.replaceAll(/[-_]/g, " ")];
    const truth = table.get(name) ?? line.split(/\s+/).at(-1) ?? "";
    return { name, payload: bytes, truth: truth.toUpperCase().replace(/[^A-Z0-9]/g, "") };
  });
  const known = labelled.filter(({ truth }) => truth !== "");
  if (known.length > 0) return known;
  throw new Fault("invalid-input", `no picture in ${dir} has a known plate`, {
    hint: "write labels.csv with the columns file,plate, or name pictures like car-5AU5341.jpg",
  });
}

function labelTable(path: string): ReadonlyMap<string, string> {
  if (!existsSync(path)) return new Map();
  const [head, ...rows] = linesOf(path).map((row) =>
    row.split(",").map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")),
  );
  const columns = head.map((name) => name.toLowerCase());
  const [file, plate] = [columns.indexOf("file"), columns.indexOf("plate")];
  if (file < 0 || plate < 0) {
    throw new Fault("invalid-input", `${path} has the columns ${columns.join(", ")}`, {
      hint: "expected at least file and plate",
    });
  }
  return new Map(rows.map((row) => [row[file] ?? "", row[plate] ?? ""]));
}

function linesOf(path: string): string[] {
  return readFileSync(path, "utf8").trim().split(/\r?\n/);
}

function text({ images, vehicles, sides }: Evaluation): string {
  const missed = images.flatMap(({ file, truth, vehicle, read }) => {
    const wrong = Object.entries(read).filter(([, plate]) => plate !== truth);
    if (wrong.length === 0 && vehicle) return [];
    const found = wrong.map(([side, plate]) => `${side}: ${plate || "none"}`).join("  ");
    return [`${file}  ${truth}  ${found}${vehicle ? "" : "  no vehicle"}`];
  });
  const total = images.length;
  const scores = sides.map(
    ({ side, exact, withinOneEdit }) =>
      `side ${side}: exact ${exact}/${total}, within one edit ${withinOneEdit}/${total}`,
  );
  return `${[...missed, "", `pictures ${total}, vehicle found ${vehicles}`, ...scores].join("\n")}\n`;
}

const { values, positionals } = parseArgs({
  options: {
    sides: { type: "string", default: "224,320,480,640" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [dir] = positionals;
if (dir === undefined || values.help) {
  process.stdout.write(USAGE);
  process.exit(values.help ? 0 : 2);
}
try {
  const evaluation = await evaluate(dir, values.sides.split(",").map(Number));
  process.stdout.write(values.json ? `${JSON.stringify(evaluation)}\n` : text(evaluation));
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  const hint = error.hint === undefined ? "" : `\nhint: ${error.hint}`;
  process.stderr.write(`evaluate: ${error.message}${hint}\n`);
  process.exitCode = 2;
}
