/** `tandem check`: parse and expand, run nothing. */
import { styleText } from "node:util";
import { Fault, type Issue } from "../core/fault.ts";
import { check as checked } from "../library/index.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

type CheckArguments = ScenarioArguments & { readonly json: boolean; readonly on?: string };

/** With --json the issues are the answer, so they are on stdout too. */
export async function check(args: CheckArguments): Promise<void> {
  try {
    await checkScenario(args);
  } catch (error) {
    if (args.json && error instanceof Fault) print({ valid: false, issues: issuesOf(error) });
    throw error;
  }
}

async function checkScenario(args: CheckArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const { configurations, isSampled, notes, plays } = await checked(loaded, args);
  const played = Object.entries(plays);
  if (args.json) {
    const { digest, document } = loaded;
    const found = {
      name: document.name,
      digest,
      configurations,
      ...(played.length > 0 && { plays }),
    };
    print({ valid: true, issues: [], ...(args.on !== undefined && { notes }), ...found });
    return;
  }
  const some = isSampled ? `looked at ${configurations}` : `${configurations}`;
  const count = configurations === 1 ? "one configuration" : `${some} configurations`;
  const sound = styleText("green", "sound");
  process.stdout.write(`${args.scenario}: ${sound}; ${count}; digest ${loaded.digest}\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
  for (const [file, runs] of played) {
    process.stdout.write(`${file}: keeps the contract in ${runs} random runs\n`);
  }
}

/** A file that is missing or too large has no lines to point at: its fault is the one issue. */
function issuesOf({ issues, message, hint }: Fault): readonly Issue[] {
  if (issues.length > 0) return issues;
  return [{ path: "", message, ...(hint === undefined ? {} : { hint }) }];
}

function print(document: object): void {
  process.stdout.write(`${JSON.stringify({ schema: "tandem/check@1", ...document })}\n`);
}
