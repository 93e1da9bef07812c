/** `tandem check`: parse and expand, run nothing. */
import { styleText } from "node:util";
import { Fault, type Issue } from "../core/fault.ts";
import { check as checked } from "../library/index.ts";
import { plural } from "../reports/tables/format.ts";
import { print } from "./command-line.ts";
import { loadScenario, type ScenarioArguments } from "./scenario-file.ts";

type CheckArguments = ScenarioArguments & { readonly json: boolean; readonly on?: string };

/** With --json the issues are the answer, so they are on stdout too. */
export async function check(args: CheckArguments): Promise<void> {
  try {
    await checkScenario(args);
  } catch (error) {
    if (args.json && error instanceof Fault) {
      print(true, { ...HEAD, valid: false, issues: issuesOf(error) }, "");
    }
    throw error;
  }
}

async function checkScenario(args: CheckArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: false });
  const { configurations, isSampled, notes, plays } = await checked(loaded, args);
  const played = Object.entries(plays);
  const { digest, document } = loaded;
  const found = {
    ...{ valid: true, issues: [], ...((args.on !== undefined || notes.length > 0) && { notes }) },
    ...{ name: document.name, digest, configurations, ...(played.length > 0 && { plays }) },
  };
  const some = isSampled ? `looked at ${configurations}` : `${configurations}`;
  const count = configurations === 1 ? "one configuration" : `${some} configurations`;
  const lines = [
    `${args.scenario}: ${styleText("green", "sound")}; ${count}; digest ${digest}`,
    ...notes,
    ...played.map(([file, runs]) => `${file}: keeps the contract in ${plural(runs, "random run")}`),
  ];
  print(args.json, { ...HEAD, ...found }, lines.join("\n"));
}

const HEAD = { schema: "tandem/check@1" };

/** A file that is missing or too large has no lines to point at: its fault is the one issue. */
function issuesOf({ issues, message, hint }: Fault): readonly Issue[] {
  if (issues.length > 0) return issues;
  return [{ path: "", message, ...(hint === undefined ? {} : { hint }) }];
}
