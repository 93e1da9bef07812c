/** `npm run evaluate -- DIR`: how well cars and plates are read on your own pictures. */
import { parseArgs } from "node:util";
import { Fault } from "../../core/fault.ts";
import { type Evaluation, evaluate } from "./evaluate.ts";

const USAGE = `usage: npm run evaluate -- DIR [--sides 224,320,480,640] [--json]
  Reads the pictures of DIR. Their plates are in DIR/labels.csv (columns file,plate), in NAME.txt
  beside each picture (its last word), or in the picture's name (car-5AU5341.jpg).
`;
function text({ images, vehicles, sides }: Evaluation): string {
  const missed = images.flatMap(({ file, truth, vehicle, read }) => {
    const wrong = Object.entries(read).filter(([, plate]) => plate !== truth);
    if (wrong.length === 0 && vehicle) return [];
    const found = wrong.map(([side, plate]) => `${side}: ${plate || "none"}`).join("  ");
    return [`${file}  ${truth}  ${found}${vehicle ? "" : "  no vehicle"}`];
  });
  const total = images.length;
  return [
    ...missed,
    "",
    `pictures ${total}, vehicle found ${vehicles}`,
    ...sides.map(
      ({ side, exact, withinOneEdit }) =>
        `side ${side}: exact ${exact}/${total}, within one edit ${withinOneEdit}/${total}`,
    ),
    "",
  ].join("\n");
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: {
      sides: { type: "string", default: "224,320,480,640" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
    allowPositionals: true,
  });
  const sides = values.sides.split(",").map(Number);
  const [dir] = positionals;
  if (dir === undefined || values.help) {
    process.stdout.write(USAGE);
    return values.help ? 0 : 2;
  }
  const evaluation = await evaluate(dir, sides, (done, total) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${done}/${total} `);
  });
  process.stdout.write(values.json ? `${JSON.stringify(evaluation)}\n` : text(evaluation));
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Fault)) throw error;
  const hint = error.hint === undefined ? "" : `\nhint: ${error.hint}`;
  process.stderr.write(`evaluate: ${error.message}${hint}\n`);
  process.exitCode = 2;
}
