/** How long a short simulation takes from the command to the prompt. */
import { runToEnd, tandemSimulate } from "../fresh-process.ts";
import { type Part, requestsAt } from "../part.ts";
import { BRANCH_SCENARIO, branchRequests } from "../reference-workloads.ts";
import { inTurn, shown, spreadOf } from "../spread.ts";

const REQUESTS = 10_000;
const MOST_MS = 250;

export const start: Part = {
  name: "start",
  about: "whole process of `tandem simulate --json` on workload C, one replication, and node alone",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const given = [BRANCH_SCENARIO, "--replications", "1", "--json"];
    const command = [...given, "--set", branchRequests(requests)];
    const pairs = inTurn(
      2 * options.rounds,
      () => tandemSimulate(command, options.scratch).seconds * 1000,
      () => runToEnd({ program: process.execPath, arguments: ["-e", "0"] }).seconds * 1000,
    );
    const spread = spreadOf(pairs.map(([ms]) => ms));
    const alone = spreadOf(pairs.map(([, ms]) => ms));
    const ratio = spreadOf(pairs.map(([ms, bare]) => ms / bare));
    return {
      head: ["requests", "milliseconds by the clock", "node alone", "ratio"],
      rows: [[requests.toLocaleString("en"), shown(spread, 0), shown(alone, 0), shown(ratio, 1)]],
      targets: [
        {
          what: `whole process at ${requests.toLocaleString("en")} requests`,
          asked: `at most ${MOST_MS} ms`,
          found: `${spread.median.toFixed(0)} ms`,
          met: spread.median <= MOST_MS,
        },
      ],
      skipped: [],
    };
  },
};
