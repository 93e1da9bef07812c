/** `npm run fuzz`: hostile input to a real gateway, and what came of it. */
import { parseArgs } from "node:util";
import { type FuzzResult, fuzz } from "./fuzz.ts";

const FAILED = 4;
const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [cases, seed] = [Number(values.cases), Number(values.seed)];
if (values.help || !(cases >= 100) || !Number.isInteger(seed)) {
  process.stdout.write(
    "npm run fuzz -- [--cases N, at least 100] [--seed S] [--json]\n\nExamples:\n  npm run fuzz\n  npm run fuzz -- --cases 5000 --seed 7\n",
  );
  process.exit(values.help ? 0 : 2);
}
// All started processes end with this process.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));
const onEvent = (line: string): void => void process.stderr.write(`${line}\n`);
const result = await fuzz({ cases, seed, onEvent });
process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : `${text(result)}\n`);
const sound =
  result.failures.length === 0 && result.blocks.every(({ failure }) => failure === null);
process.exitCode = sound ? 0 : FAILED;

function text({ cases, seed, seconds, blocks, failures, rssMib, files }: FuzzResult): string {
  const lines = blocks.map(({ name, cases, answers, failure }) => {
    const given = Object.entries(answers).sort(([, a], [, b]) => b - a);
    const told = given.map(([answer, count]) => `${answer} ${count}`).join(", ");
    return `${failure === null ? "sound " : "FAILED"} ${name}, ${cases}: ${told}${failure === null ? "" : `\n${failure}`}`;
  });
  const grown = rssMib && `gateway ${rssMib.before.toFixed(0)} -> ${rssMib.after.toFixed(0)} MiB`;
  const open = files && `open files ${files.before} -> ${files.after}`;
  return [
    ...lines,
    `${cases} cases in ${seconds.toFixed(0)} s, seed ${seed}${grown === null ? "" : `; ${grown}, ${open}`}`,
    ...failures.map((failure) => `FAILED: ${failure}`),
  ].join("\n");
}
