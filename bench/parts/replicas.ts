/** The cost of an event in a pool of 4096 replicas over that in one of 16. */
import { measureEngine } from "../measure/fresh-process.ts";
import { inTurn, type Measurement, shown, spreadOf } from "../measure/measurement.ts";
import { type Part, requestsAt } from "../measure/part.ts";

const REQUESTS = 2_000_000;
const SCHEDULERS = ["fifo", "join-shortest-queue", "power-of-two"];
const MOST = 1.5;

const nanoseconds = ({ events, cpuSeconds }: Measurement): number => (cpuSeconds / events) * 1e9;

export const replicas: Part = {
  name: "replicas",
  about:
    "processor time per event at 4096 replicas and at 16, in turn; exponential service, load 0.9",
  run(options) {
    const requests = requestsAt(options, REQUESTS);
    const results = SCHEDULERS.map((scheduler) => {
      const pairs = inTurn(
        options.rounds,
        (seed) => nanoseconds(measureEngine("tandem", `${scheduler}@16`, requests, seed)),
        (seed) => nanoseconds(measureEngine("tandem", `${scheduler}@4096`, requests, seed)),
      );
      return {
        scheduler,
        few: spreadOf(pairs.map(([few]) => few)),
        many: spreadOf(pairs.map(([, many]) => many)),
        ratio: spreadOf(pairs.map(([few, many]) => many / few)),
      };
    });
    return {
      head: ["scheduler", "ns per event, 16 replicas", "4096 replicas", "ratio"],
      rows: results.map(({ scheduler, few, many, ratio }) => [
        scheduler,
        shown(few, 0),
        shown(many, 0),
        shown(ratio),
      ]),
      targets: results.map(({ scheduler, ratio }) => ({
        what: `${scheduler}, cost per event at 4096 replicas by that at 16`,
        asked: `at most ${MOST}`,
        found: ratio.median.toFixed(2),
        met: ratio.median <= MOST,
      })),
      skipped: [],
    };
  },
};
