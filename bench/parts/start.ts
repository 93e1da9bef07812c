/** How long a short simulation takes from the command to the prompt. */
import { tandemSimulate } from "../fresh-process.ts";
import { type Part, requestsAt } from "../part.ts";
import { BRANCH_SCENARIO, branchRequests } from "../reference-workloads.ts";
import { shown, spreadOf } from "../spread.ts";

const REQUESTS = 10_000;
const MOST_MS = 250;

export const start: Part = {
  name: "start",
  about: "whole process of `tandem simulate --json` on workload C, one replication",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const given = [BRANCH_SCENARIO, "--replications", "1", "--json"];
    const times = Array.from({ length: 2 * options.rounds }, () => {
      const command = [...given, "--set", branchRequests(requests)];
      return tandemSimulate(command, options.scratch).seconds * 1000;
    });
    const spread = spreadOf(times);
    return {
      head: ["requests", "milliseconds by the clock"],
      rows: [[requests.toLocaleString("en"), shown(spread, 0)]],
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
