/** The most memory that `tandem simulate` holds, and whether it grows with the requests. */
import { tandemSimulate } from "../fresh-process.ts";
import { type Part, requestsAt } from "../part.ts";
import { BRANCH_SCENARIO, branchRequests } from "../reference-workloads.ts";

const REQUESTS = [100_000, 1_000_000, 10_000_000];
const MOST_MIB = 200;

export const memory: Part = {
  name: "memory",
  about: "peak resident set of `tandem simulate` on workload C, one replication, a process each",
  run(options) {
    const reporter = new URL("../usage-report.js", import.meta.url).href;
    const results = REQUESTS.map((full) => {
      const requests = requestsAt(options, full);
      const given = [BRANCH_SCENARIO, "--replications", "1", "--json"];
      const { side, seconds } = tandemSimulate(
        [...given, "--set", branchRequests(requests)],
        options.scratch,
        ["--import", reporter],
      );
      return { requests, mib: Number(side), seconds };
    });
    const last = results[results.length - 1];
    return {
      head: ["requests", "peak memory, MiB", "seconds"],
      rows: results.map(({ requests, mib, seconds }) => [
        requests.toLocaleString("en"),
        mib.toFixed(0),
        seconds.toFixed(2),
      ]),
      targets: [
        {
          what: `peak memory at ${last.requests.toLocaleString("en")} requests`,
          asked: `at most ${MOST_MIB} MiB`,
          found: `${last.mib.toFixed(0)} MiB`,
          met: last.mib <= MOST_MIB,
        },
      ],
      skipped: [],
    };
  },
};
