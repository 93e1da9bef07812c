/**
 * How good plans are: generated problems small enough to exhaust, plans whose cluster has a known truth, and large problems.
 * Each answer is a line of a file, so that a run that is stopped goes on where it was.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import yargs from "yargs";
import { loadHighs } from "../../build/load-highs.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { type Solution, type SolverLimits, solved } from "../../schedulers/rules/solver.ts";
import { exhausted, planned } from "./exhaustive.ts";
import { type KnownAnswer, knownAnswer } from "./known-truth.ts";
import { type LargeAnswer, largeAnswer, largeProblems } from "./large.ts";
import { type PlanningProblem, planningProblems } from "./problems.ts";

const { out, seconds, problems, from, known, large } = await yargs(process.argv.slice(2))
  .scriptName("npm run bench:planning --")
  .usage("$0 [options]\n\nPlans generated problems, and judges the plans.")
  .options({
    out: { type: "string", default: join("out", "planning"), describe: "folder of the answers" },
    seconds: { type: "number", default: 600, describe: "no problem is begun after so many" },
    problems: { type: "number", default: 160, describe: "to exhaust" },
    from: { type: "number", default: 0, describe: "first problem: later ones are of other seeds" },
    known: { type: "number", default: 640, describe: "of known truth" },
    large: { type: "number", default: 0, describe: "large ones: five of a user, then drawn ones" },
  })
  .strict()
  .parseAsync();

/** Cost and requests. */
interface Compared {
  readonly name: string;
  readonly descent: readonly [number | null, number];
  readonly exhaustive: readonly [number | null, number, number];
}

const highs = await loadHighs();
function* solve(program: string, limits: SolverLimits): Generator<undefined, Solution> {
  yield;
  return solved(highs, program, limits);
}

const untilMs = performance.now() + 1000 * seconds;
mkdirSync(out, { recursive: true });

const compared = await answersIn(
  "compared.jsonl",
  planningProblems(from + problems)
    .slice(from)
    .map((problem) => {
      return { name: problem.name, answer: (): Compared => compare(problem) };
    }),
);
const answers = await answersIn(
  "known.jsonl",
  Array.from({ length: known }, (_, i) => {
    return { name: `known-${from + i}`, answer: (): KnownAnswer => knownAnswer(i, from, solve) };
  }),
);
const sized = await answersIn(
  "large.jsonl",
  largeProblems(from + large)
    .slice(from)
    .map((problem) => {
      return { name: problem.name, answer: () => largeAnswer(problem, out) };
    }),
);
// Shares of an empty part are no numbers.
if (compared.length > 0) process.stdout.write(`${comparedText(compared)}\n`);
if (answers.length > 0) process.stdout.write(`${knownText(answers)}\n`);
process.stdout.write(largeText(sized));

/** Those of the file, and those that time is left for. */
async function answersIn<A extends { readonly name: string }>(
  file: string,
  asked: readonly { readonly name: string; readonly answer: () => A | Promise<A> }[],
): Promise<readonly A[]> {
  const path = join(out, file);
  const lines = existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : [];
  const before = new Map(
    lines.map((line) => JSON.parse(line) as A).map((one) => [one.name, one] as const),
  );
  const answers: A[] = [];
  for (const { name, answer } of asked) {
    const own = before.get(name);
    if (own !== undefined) answers.push(own);
    else if (performance.now() <= untilMs) {
      const found = await answer();
      appendFileSync(path, `${JSON.stringify(found)}\n`);
      answers.push(found);
    }
  }
  return answers;
}

function compare(problem: PlanningProblem): Compared {
  const { best, explored } = planned(problem, solve);
  const { cost, requests, ofAll } = exhausted(problem);
  return {
    name: problem.name,
    descent: [best?.cost ?? null, explored.requests],
    exhaustive: [cost, requests, ofAll],
  };
}

function comparedText(all: readonly Compared[]): string {
  const cost = ([found]: readonly [number | null, ...unknown[]]): number =>
    found ?? Number.POSITIVE_INFINITY;
  const dearer = all.filter((one) => cost(one.descent) > 1.02 * cost(one.exhaustive));
  const own = sumOf(all.map(({ descent }) => descent[1]));
  const [until, every] = ([1, 2] as const).map((i) => {
    return percent(own / sumOf(all.map(({ exhaustive }) => exhaustive[i])));
  });
  const names = dearer.map(({ name }) => name).join(", ");
  return `${all.length} problems: ${dearer.length} more than 2% dearer than exhaustive's (${names}); ${every} of its requests, ${until} of those up to the first answer`;
}

function knownText(all: readonly KnownAnswer[]): string {
  const confirmed = all.filter(({ truth }) => truth !== null);
  const missed = confirmed.filter(({ truth, share }) => (truth as number) < share);
  const asked = all.filter((one) => one.asked);
  const then = asked.filter((one) => one.confirmedThen);
  const missText = `${missed.length} miss${shareText(missed.length, confirmed.length)}`;
  const thenText = `${then.length} were confirmed with it${shareText(then.length, asked.length)}`;
  return `${confirmed.length} confirmed plans of ${all.length}: ${missText}; ${asked.length} asked for a length, ${thenText}`;
}

function shareText(count: number, of: number): string {
  return of === 0 ? "" : ` (${percent(count / of)})`;
}

function largeText(all: readonly LargeAnswer[]): string {
  const lines = all.map(({ name, state, cost, gap, seconds, firstIncumbentS, memoryMiB }) => {
    const gapText = gap === null ? "no plan" : `gap ${percent(gap)}`;
    const [own, solver] = memoryMiB;
    return `${name}: ${cost} ${state}, ${gapText}, ${seconds} s, first incumbent ${firstIncumbentS} s, ${own} + ${solver} MiB`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
