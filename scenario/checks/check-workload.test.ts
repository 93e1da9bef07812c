import { describe, expect, test } from "vitest";
import { parseScenario } from "../parse.ts";
import {
  issuesOf,
  lineWith,
  profileText,
  readerOf,
  replaced,
  SMALL,
} from "../reading/issues.test-support.ts";

const WORKLOAD = "  arrivals: poisson\n  ratePerS: 20\n  durationS: 60\n";

/** The one issue of a scenario with this workload, with the text of the line that it names. */
function refusal(lines: readonly string[], trace = "at\n0\n1\n2\n") {
  const text = replaced(SMALL, WORKLOAD, lines.map((line) => `  ${line}\n`).join(""));
  const files = { "dir/profiles/reader.json": profileText(1), "dir/t.csv": trace };
  const issues = issuesOf(() => parseScenario(text, "dir/good.yaml", readerOf(files)));
  expect(issues).toHaveLength(1);
  const [{ line = 0, path, message }] = issues as [(typeof issues)[number]];
  return { path, message, at: text.split("\n")[line - 1], first: lineWith(text, "workload:") };
}

const MMPP = ["arrivals: mmpp", "durationS: 60"];
const STATES = "states: [{ ratePerS: 9, meanS: 1 }, { ratePerS: 1, meanS: 5 }]";
const RAMP = ["arrivals: ramp", "durationS: 60"];
const TRACE = ["arrivals: trace", "file: t.csv", "column: at"];

test.each([
  [
    "two rows for three states",
    [...MMPP, STATES, "transitions: [[0, 1]]"],
    "transitions",
    /2 rows of 2/,
  ],
  [
    "a row that is no distribution",
    [...MMPP, STATES, "transitions: [[0, 0.9], [1, 0]]"],
    "transitions.0",
    /add up to 1, got 0.9/,
  ],
  [
    "a state that nothing leads to",
    [...MMPP, STATES, "transitions: [[1, 0], [1, 0]]"],
    "transitions",
    /state 1 is never reached from state 0/,
  ],
  [
    "states without arrivals",
    [...MMPP, "states: [{ ratePerS: 0, meanS: 1 }, { ratePerS: 0, meanS: 5 }]"],
    "states",
    /no state has arrivals/,
  ],
  [
    "states that change a billion times an arrival",
    [...MMPP, "states: [{ ratePerS: 0.001, meanS: 1.0e-6 }, { ratePerS: 0.001, meanS: 5 }]"],
    "states",
    /change 1000000 times a second for 0.001 arrivals/,
  ],
  [
    "one state alone",
    [...MMPP, "states: [{ ratePerS: 9, meanS: 1 }]"],
    "states",
    /at least 2 entries/,
  ],
  [
    "a variation of nothing",
    ["arrivals: weibull", "ratePerS: 3", "cv: 0", "requests: 9"],
    "cv",
    /from 0.01, got 0/,
  ],
  [
    "a swing below a rate of 0",
    ["arrivals: diurnal", "ratePerS: 3", "amplitude: 1.2", "requests: 9"],
    "amplitude",
    /up to 1, got 1.2/,
  ],
  [
    "a ramp that runs back",
    [...RAMP, "rates: [{ atS: 5, ratePerS: 1 }, { atS: 4, ratePerS: 1 }]"],
    "rates.1.atS",
    /time runs back: 4 comes after 5/,
  ],
  ["a ramp at 0", [...RAMP, "rates: [{ atS: 0, ratePerS: 0 }]"], "rates", /no point has a rate/],
  [
    "a number of requests that a ramp to 0 may never reach",
    ["arrivals: ramp", "requests: 9", "rates: [{ atS: 0, ratePerS: 5 }, { atS: 9, ratePerS: 0 }]"],
    "requests",
    /ends at 0/,
  ],
  ["no clients", ["arrivals: closed", "clients: 0", "requests: 9"], "clients", /above 0, got 0/],
  [
    "never a client",
    ["arrivals: closed", "durationS: 9", "clients: [{ atS: 0, clients: 0 }]"],
    "clients",
    /never a client/,
  ],
  [
    "clients that leave before the requests are sent",
    [
      "arrivals: closed",
      "requests: 9",
      "clients: [{ atS: 0, clients: 1 }, { atS: 1, clients: 0 }]",
    ],
    "requests",
    /end at 0/,
  ],
  ["a trace to fill nothing", [...TRACE, "repeat: fill"], "repeat", /needs a `durationS`/],
  [
    "more requests than a trace played twice has",
    [...TRACE, "repeat: 2", "requests: 7"],
    "requests",
    /played 2 times, holds 6 arrivals, got 7/,
  ],
  [
    "ten thousand million requests",
    ["arrivals: poisson", "ratePerS: 1.0e+9", "durationS: 10"],
    "",
    /some 1.00e\+10 requests a run/,
  ],
  [
    "a ramp to as many",
    ["arrivals: ramp", "rates: [{ atS: 0, ratePerS: 5.0e+8 }]", "durationS: 10"],
    "",
    /some 5.00e\+9 requests a run/,
  ],
  [
    "a trace that fills three thousand years",
    [...TRACE, "repeat: fill", "durationS: 1.0e+11"],
    "durationS",
    /up to 1000000000 \(seconds\)/,
  ],
  ["a burst beyond memory", ["arrivals: burst", "requests: 8000001"], "requests", /8,000,000/],
])("%s is refused, with its line", (_sentence, lines, path, message) => {
  const found = refusal(lines);
  expect(found.path).toBe(path === "" ? "workload" : `workload.${path}`);
  expect(found.message).toMatch(message);
  expect(found.at).toContain(path.replace(/\.\d.*/, ""));
});

describe("input sizes", () => {
  const SIZE = "inputSize: { distribution: exponential, mean: 500 }";
  const poisson = ["arrivals: poisson", "ratePerS: 20", "durationS: 60"];
  const scaled = "models:\n  detector:\n    inputScaling: { reference: 500 }";
  const load = (text: string) => {
    const files = { "dir/profiles/reader.json": profileText(1), "dir/t.csv": "at,n\n0,4\n1,5\n" };
    return issuesOf(() => parseScenario(text, "dir/good.yaml", readerOf(files)));
  };
  const scenario = (lines: readonly string[], models: string) => {
    const workload = lines.map((line) => `  ${line}\n`).join("");
    return replaced(replaced(SMALL, WORKLOAD, workload), "models:\n  detector:", models);
  };

  test("without a model that scales are refused, and so is such a model without sizes", () => {
    const useless = load(scenario([...poisson, SIZE], "models:\n  detector:"));
    expect(useless.map(({ path }) => path)).toEqual(["workload.inputSize"]);
    const missing = load(scenario(poisson, scaled));
    expect(missing.map(({ path }) => path)).toEqual(["models.detector.inputScaling"]);
    expect(load(scenario([...poisson, SIZE], scaled))).toEqual([]);
  });

  test("come from a column or a distribution, not from both", () => {
    const trace = [...TRACE, "sizeColumn: n"];
    expect(load(scenario(trace, scaled))).toEqual([]);
    const both = load(scenario([...trace, SIZE], scaled));
    expect(both.map(({ path }) => path)).toEqual(["workload.inputSize"]);
  });

  test.each([
    ["mean: 0", "mean"],
    ["mean: 5, cv: 0.1", "cv"],
  ])("of impossible parameters { %s } are refused", (parameters, key) => {
    const wrong = `inputSize: { distribution: exponential, ${parameters} }`;
    const issues = load(scenario([...poisson, wrong], scaled));
    expect(issues.map(({ path }) => path)).toEqual([`workload.inputSize.${key}`]);
  });
});

describe("a trace", () => {
  test("of one instant cannot be repeated", () => {
    const { path, message } = refusal([...TRACE, "durationS: 9", "repeat: fill"], "at\n5\n5\n");
    expect(path).toBe("workload.repeat");
    expect(message).toMatch(/all at one instant/);
  });

  test("played three times is as long as that: a warm-up may end in the third", () => {
    const warmupS = (seconds: number) => [...TRACE, "repeat: 3", `warmupS: ${seconds}`];
    expect(refusal(warmupS(8)).message).toMatch(/the trace's span, 8 seconds, got 8/);
    const text = replaced(
      SMALL,
      WORKLOAD,
      warmupS(7)
        .map((line) => `  ${line}\n`)
        .join(""),
    );
    const files = { "dir/profiles/reader.json": profileText(1), "dir/t.csv": "at\n0\n1\n2\n" };
    expect(issuesOf(() => parseScenario(text, "dir/good.yaml", readerOf(files)))).toEqual([]);
  });
});

describe("clients of a closed loop that are refused", () => {
  const CLOSED = "  arrivals: closed\n  clients: 5\n  durationS: 60\n";
  const closed = (change: (text: string) => string) => {
    const bounded = "scheduler: { admission: { policy: bounded, maxInSystem: 3 } }";
    const text = change(SMALL.replace(WORKLOAD, CLOSED).replace("scheduler: fifo", bounded));
    const files = { "dir/profiles/reader.json": profileText(1) };
    return issuesOf(() => parseScenario(text, "dir/good.yaml", readerOf(files)));
  };

  test("and come again at once, so that time would stand still, are an issue", () => {
    const [issue, ...others] = closed((text) => text);
    expect(others).toEqual([]);
    expect(issue).toMatchObject({ path: "workload.thinkMs", line: lineWith(SMALL, "workload:") });
    expect(issue?.message).toContain("of 5 clients 2 are refused");
    const retrying = "clients: 5\n  client: { timeoutMs: 100, retries: 3 }";
    expect(closed((text) => text.replace("clients: 5", retrying))).toHaveLength(1);
  });

  test.each([
    ["pause", "clients: 5", "clients: 5\n  thinkMs: 1"],
    [
      "pause before they retry",
      "clients: 5",
      "clients: 5\n  client: { timeoutMs: 9, retries: 1, backoffMs: 1 }",
    ],
    ["are far away", "plate: 1 }", "plate: 1 }\n  network: { clientRttMs: 1 }"],
    [
      "are refused by a gateway that takes time",
      "plate: 1 }",
      "plate: 1 }\n  gateway: { arrivalUs: 9 }",
    ],
    ["are few enough", "clients: 5", "clients: 3"],
  ])("but %s are none", (_, from, to) => {
    expect(closed((text) => replaced(text, from, to))).toEqual([]);
  });
});
