/** `npm run dst`: seeds of the gateway in virtual time; a seed that fails is shrunk to the fewest happenings that fail too. */
import { parseArgs } from "node:util";
import { type Plan, planOf } from "./plan.ts";
import { type Played, play } from "./play.ts";

const HELP = `npm run dst -- [--seeds 1000] [--from 1] [--seed N]

Plays the real gateway's code in virtual time, with seeded faults, and checks its invariants.

  --seeds N  so many seeds (default 1000)
  --from N   the first of them (default 1)
  --seed N   this one alone, with its happenings
`;

/** The exit code where an invariant does not hold. */
const FAILED = 4;

async function fails(plan: Plan): Promise<boolean> {
  return (await outcomeOf(plan)).violations.length > 0;
}

/** A throw is a violation too. */
async function outcomeOf(plan: Plan): Promise<Pick<Played, "violations"> & Partial<Played>> {
  try {
    return await play(plan);
  } catch (error) {
    return { violations: [`it threw: ${(error as Error).stack}`] };
  }
}

/**
 * Leaves out ever smaller parts of what happens while it still fails.
 * Source: Zeller & Hildebrandt, IEEE Transactions on Software Engineering 28(2), 2002 (ddmin).
 */
async function shrunk(plan: Plan): Promise<Plan> {
  let { happenings } = plan;
  for (let size = Math.ceil(happenings.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < happenings.length; ) {
      const fewer = [...happenings.slice(0, at), ...happenings.slice(at + size)];
      if (await fails({ ...plan, happenings: fewer })) happenings = fewer;
      else at += size;
    }
  }
  return { ...plan, happenings };
}

function tell({ seed, document, faults, happenings }: Plan, violations: readonly string[]): void {
  const { scheduler, cluster } = document;
  const lines = happenings.map((one) => `  ${JSON.stringify(one)}`);
  const setting = JSON.stringify({ scheduler, replicas: cluster.replicas, faults });
  console.log([`seed ${seed}: ${violations.join("; ")}`, `  ${setting}`, ...lines].join("\n"));
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const first = Number(values.seed ?? values.from);
  const last = values.seed === undefined ? first + Number(values.seeds) - 1 : first;
  const startMs = performance.now();
  const failed: number[] = [];
  const totals: Record<string, number> = {};
  for (let seed = first; seed <= last; seed++) {
    const plan = planOf(seed);
    const { violations, answers = {}, refused = 0 } = await outcomeOf(plan);
    for (const [name, count] of Object.entries({ ...answers, refused }))
      totals[name] = (totals[name] ?? 0) + count;
    if (violations.length === 0) {
      if (values.seed !== undefined) tell(plan, ["sound"]);
      continue;
    }
    failed.push(seed);
    const least = await shrunk(plan);
    tell(least, (await outcomeOf(least)).violations);
  }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${last - first + 1} seeds in ${seconds} s: ${JSON.stringify(totals)}`);
  console.log(failed.length === 0 ? "all sound" : `not sound: seeds ${failed.join(", ")}`);
  if (failed.length > 0) process.exitCode = FAILED;
}

await main();
