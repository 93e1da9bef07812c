/**
 * Published runs of language models beside the engine's predictions. Llama-3.1-8B on vLLM: step times from measured
 * tables, nothing fitted. OPT-13B on vLLM's first scheduler: published step coefficients, and what a processor adds
 * fitted on runs at light load; two pairs of runs disagree, so there are two fits, and both are in a prediction's interval.
 * OPT-13B on DistServe: the same with prefill and decode on devices of their own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../../engine/basics/fault.ts";
import { meanOf } from "../../../engine/statistics/estimate.ts";
import { playedRun, type TokenFigures, TPOT_GOAL_MS, TTFT_GOAL_MS } from "./played-run.ts";
import {
  coefficientTimesOf,
  isPublishedHere,
  type MeasuredRequest,
  publishedRun,
  tableTimes,
} from "./published.ts";

interface TokenFinding {
  readonly run: string;
  /** In what the prediction is made, and of which aim it is part. */
  readonly how: string;
  readonly requests: number;
  readonly predicted: TokenFigures;
  /** Under each doubt of the inputs: their ends are the prediction's interval. */
  readonly others: readonly TokenFigures[];
  /** Null where the run is held back. */
  readonly measured: TokenFigures | null;
}

/** In the sources, from which the study is started. */
const FINDINGS = join("bench", "fidelity", "language-models", "findings.json");

function measuredOf(requests: readonly MeasuredRequest[]): TokenFigures | null {
  if (Number.isNaN(requests[0].firstTokenMs)) return null;
  const tpots = requests.map(({ firstTokenMs, lastTokenMs, outputTokens }) => {
    return (lastTokenMs - firstTokenMs) / Math.max(1, outputTokens - 1);
  });
  const met = requests.filter(({ firstTokenMs }, i) => {
    return firstTokenMs <= TTFT_GOAL_MS && tpots[i] <= TPOT_GOAL_MS;
  });
  return {
    ttftMs: meanOf(requests.map(({ firstTokenMs }) => firstTokenMs)),
    tpotMs: meanOf(tpots.filter((_, i) => requests[i].outputTokens > 1)),
    latencyMs: meanOf(requests.map(({ lastTokenMs }) => lastTokenMs)),
    attainment: met.length / requests.length,
  };
}

/** vLLM 0.19 as these runs had it; kept prefixes are its default. */
const V1 = { policy: "vllm", maxBatchedTokens: 2048, prefixCaching: true };
/** More blocks than a run of 300 requests fills. */
const PLENTY = 100_000;

const LLAMA_RUNS = [
  { folder: "llama-3.1-8b-rtx4090", layers: 32, maxSequences: 256, blocks: 2588 },
  { folder: "llama-3.1-8b-rtxpro6000", layers: 32, maxSequences: 128, blocks: PLENTY },
  { folder: "qwen3-32b-rtxpro6000", layers: 64, maxSequences: 128, blocks: PLENTY },
];

/** Nobody gives the doubt of the tables: the largest error of the given run, as a share of all times. */
const TABLES_OFF = 0.013;

export function tableFindings(limited = true): TokenFinding[] {
  return LLAMA_RUNS.map(({ folder, layers, maxSequences, blocks }) => {
    const given = folder === "llama-3.1-8b-rtx4090";
    const requests = publishedRun(given ? `${folder}/measured.csv` : `to-predict/${folder}.csv`);
    const terms = { ...V1, maxSequences, blocks: limited ? blocks : PLENTY };
    const times = tableTimes(folder, layers);
    const played = (factor: number): TokenFigures =>
      playedRun(requests, { ...terms, times: scaledTables(times, factor) });
    return {
      run: folder,
      how: limited
        ? `from tables, nothing fitted; with all times ${100 * TABLES_OFF} % shorter and longer`
        : "the same without a limit of KV blocks",
      requests: requests.length,
      predicted: played(1),
      others: limited ? [1 - TABLES_OFF, 1 + TABLES_OFF].map(played) : [],
      measured: measuredOf(requests),
    };
  });
}

function scaledTables(tables: ReturnType<typeof tableTimes>, factor: number) {
  assert("layers" in tables, "these runs have tables of layers");
  const scaled = <Row extends number[]>(rows: readonly Row[]): Row[] =>
    rows.map((row) => [...row.slice(0, -1), (row.at(-1) as number) * factor] as Row);
  return {
    ...tables,
    layerUs: scaled(tables.layerUs),
    onceUs: scaled(tables.onceUs),
    headUs: scaled(tables.headUs),
    attentionUs: scaled(tables.attentionUs),
  };
}

/** A processor adds these: to each iteration, for each of its sequences, once to each request, and to each hand-over. */
interface Fitted {
  readonly stepMs: number;
  readonly sequenceMs: number;
  readonly requestMs: number;
  readonly handOverMs: number;
}

type Play = (requests: readonly MeasuredRequest[], fitted: Fitted) => TokenFigures;

/** One fit on all runs, then one without each of them. */
function fitsOn(files: readonly string[], play: Play, handOvers: readonly number[]) {
  const runs = files.map(publishedRun);
  const known = new Map(runs.map((one) => [one, new Map<string, TokenFigures>()]));
  const once: Play = (requests, fitted) => {
    const own = known.get(requests);
    const found = own?.get(JSON.stringify(fitted)) ?? play(requests, fitted);
    own?.set(JSON.stringify(fitted), found);
    return found;
  };
  const without = runs.map((left) => runs.filter((one) => one !== left));
  const [all, ...others] = [runs, ...without].map((some) => fittedOn(some, once, handOvers));
  return { all, others };
}

/** Least squares of the logarithms of TPOT and latency, on a grid and then around its best; the rest of TTFT is the request's. */
function fittedOn(
  runs: readonly (readonly MeasuredRequest[])[],
  play: Play,
  handOvers: readonly number[],
): Fitted {
  const measured = runs.map((run) => measuredOf(run) as TokenFigures);
  let best: Fitted = { stepMs: 0, sequenceMs: 0, requestMs: 0, handOverMs: 0 };
  let least = Number.POSITIVE_INFINITY;
  const tryAll = (grid: readonly Fitted[]): void => {
    for (const tried of grid) {
      const found = runs.map((run) => play(run, tried));
      const error = found.reduce((sum, { tpotMs, latencyMs }, i) => {
        const own = measured[i];
        return sum + Math.log(tpotMs / own.tpotMs) ** 2 + Math.log(latencyMs / own.latencyMs) ** 2;
      }, 0);
      if (error >= least) continue;
      least = error;
      const requestMs = meanOf(found.map(({ ttftMs }, i) => measured[i].ttftMs - ttftMs));
      best = { ...tried, requestMs: Math.max(0, requestMs) };
    }
  };
  const grid = (steps: readonly number[], sequences: readonly number[], overs = handOvers) =>
    overs.flatMap((handOverMs) =>
      steps.flatMap((stepMs) =>
        sequences.map((sequenceMs) => ({ stepMs, sequenceMs, requestMs: 0, handOverMs })),
      ),
    );
  tryAll(grid(evenly(0, 14, 2), evenly(0, 1.4, 0.2)));
  const { stepMs, sequenceMs, handOverMs } = best;
  const around = (at: number, by: number) => evenly(Math.max(0, at - by), at + by, by / 2);
  tryAll(grid(around(stepMs, 1), around(sequenceMs, 0.1), [handOverMs]));
  return best;
}

function evenly(from: number, to: number, by: number): readonly number[] {
  return Array.from({ length: Math.round((to - from) / by) + 1 }, (_, i) => from + i * by);
}

/** vLLM of April 2024; 56,000 tokens of KV is where these runs level off. */
const V0 = { policy: "vllm-v0", maxSequences: 256, maxBatchedTokens: 2560, blocks: 3500 };

const run = (name: string): string => `opt-13b-a100-vllm-${name}.csv`;
const LIGHT = [run("1-100"), run("1.5-150")];
const OTHERS = [run("2-100"), run("2-200")];
const HELD = ["2.5-250", "3-300", "3.5-350", "4-400"].map((name) => `to-predict/${run(name)}`);

export function coefficientFindings(): TokenFinding[] {
  const times = coefficientTimesOf("opt-13b-a100-vllm-step-coefficients.json", 1);
  const play: Play = (requests, fitted) =>
    playedRun(requests, { ...V0, times: times(fitted) }, null, fitted.requestMs);
  const [light, other] = [LIGHT, OTHERS].map((files) =>
    fittedOn(files.map(publishedRun), play, [0]),
  );
  return [...LIGHT, ...OTHERS, ...HELD].map((file) => ({
    run: nameOf(file),
    how: "overheads fitted on the runs at 1 and 1.5/s; on those at 2/s",
    requests: publishedRun(file).length,
    predicted: play(publishedRun(file), light),
    others: [play(publishedRun(file), other)],
    measured: measuredOf(publishedRun(file)),
  }));
}

const nameOf = (file: string): string => file.replace("to-predict/", "").replace(".csv", "");

/** DistServe's limits, and the tokens of KV that it had on two GPUs for prefill, and on one for decode. */
const PREFILL = {
  ...V0,
  policy: "distserve-prefill",
  maxBatchedTokens: 4096,
  blocks: 163_008 / 16,
};
const DECODE = {
  ...V0,
  policy: "distserve-decode",
  maxBatchedTokens: 65_536,
  blocks: 66_144 / 16,
};

const apart = (name: string): string => `opt-13b-a100-distserve-${name}.csv`;
const LIGHT_APART = ["1-100", "1.5-100", "3-300", "c21d11-3-300"].map(apart);
const KNEE_APART = ["c21d11-4.5-300", "c21d11-4.5-450"].map(apart);
const HELD_RUNS = ["6-300", "6-600", "7.5-300", "7.5-750", "9-300", "9-900", "10.5-300"];
const HELD_APART = [...HELD_RUNS, "10.5-1050", "12-300", "12-1200"].map(
  (name) => `to-predict/${apart(`c21d11-${name}`)}`,
);

export function apartFindings(): TokenFinding[] {
  const file = "opt-13b-a100-distserve-step-coefficients.json";
  const [one, two] = [coefficientTimesOf(file, 1), coefficientTimesOf(file, 2)];
  const play: Play = (requests, fitted) =>
    playedRun(
      requests,
      { ...PREFILL, times: two(fitted) },
      { ...DECODE, times: one(fitted), handOverMs: fitted.handOverMs },
      fitted.requestMs,
    );
  const { all, others } = fitsOn(LIGHT_APART, play, [0, 20, 40, 60]);
  return [...LIGHT_APART, ...KNEE_APART, ...HELD_APART].map((name) => ({
    run: nameOf(name),
    how: "prefill and decode apart; overheads fitted on the runs at 1 to 3/s; without each of them",
    requests: publishedRun(name).length,
    predicted: play(publishedRun(name), all),
    others: others.map((fit) => play(publishedRun(name), fit)),
    measured: measuredOf(publishedRun(name)),
  }));
}

/** Each error is a share of the measured figure; that of attainment is a difference. */
export function errorsOf({ predicted, measured }: TokenFinding) {
  const off = (of: "ttftMs" | "tpotMs" | "latencyMs"): number =>
    Math.abs(predicted[of] / (measured?.[of] ?? Number.NaN) - 1);
  const attainment = Math.abs(predicted.attainment - (measured?.attainment ?? Number.NaN));
  return { ttft: off("ttftMs"), tpot: off("tpotMs"), latency: off("latencyMs"), attainment };
}

/** Plays all runs where the published data are; else what was found before stays. */
export function renewTokenFindings(): void {
  if (!isPublishedHere()) {
    process.stderr.write(
      "language models: the published runs are not here, so their figures stay\n",
    );
    return;
  }
  const found = [
    ...tableFindings(),
    tableFindings(false)[0],
    ...coefficientFindings(),
    ...apartFindings(),
  ];
  writeFileSync(FINDINGS, `${JSON.stringify(found, null, 2)}\n`);
}

export function tokenSection(): string {
  const found = JSON.parse(readFileSync(FINDINGS, "utf8")) as readonly TokenFinding[];
  const rows = found.map(({ run: name, how, predicted, others, measured }) => {
    const interval = (of: (figures: TokenFigures) => number, digits: number): string => {
      const ends = [predicted, ...others].map(of);
      const [low, high] = [Math.min(...ends), Math.max(...ends)].map((end) => end.toFixed(digits));
      return `${of(predicted).toFixed(digits)}${low === high ? "" : ` (${low} to ${high})`}`;
    };
    const cell = (of: (figures: TokenFigures) => number, digits: number): string => {
      const shown = interval(of, digits);
      if (measured === null) return shown;
      const off = (100 * (of(predicted) / of(measured) - 1)).toFixed(1).replace("-", "−");
      return `${shown}; measured ${of(measured).toFixed(digits)} (${off} %)`;
    };
    const met = measured === null ? "" : `; measured ${(100 * measured.attainment).toFixed(0)}`;
    return [
      name,
      how,
      cell(({ ttftMs }) => ttftMs, 0),
      cell(({ tpotMs }) => tpotMs, 1),
      cell(({ latencyMs }) => latencyMs / 1000, 2),
      `${interval(({ attainment }) => 100 * attainment, 0)}${met}`,
    ];
  });
  const heads = ["run", "how", "TTFT, ms", "TPOT, ms", "latency, s", "in both goals, %"];
  const lines = [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return [
    "## Language models",
    "Published runs beside `simulate`, which plays their arrivals and lengths as a trace through the iteration schedulers of `schedulers/iterations/`. Means over a run; goals: TTFT ≤ 200 ms and TPOT ≤ 100 ms. To reach from tables: TPOT ±3 %, TTFT ±6 %, latency ±3 %, and more than that without a limit of KV blocks. Runs without `measured` are predictions: their latencies are held back. The pairs of OPT-13B at light load and at 2/s disagree by 15 to 30 %, so the interval of each prediction has both fits. Qwen3-32B's tables leave out the all-reduce of its two GPUs. DistServe's overheads are fitted up to 3/s; the knee (4.5/s) and what is held back are predictions. To reach there: TTFT 10 %, TPOT 12 %, latency 4 % (median).",
    aimsTable(found),
    orderLine(found),
    lines.join("\n"),
  ].join("\n\n");
}

/** Runs of an aim: its name, which runs, and the largest errors, median and worst. */
const AIMS: readonly (readonly [aim: string, isOf: (finding: TokenFinding) => boolean, string])[] =
  [
    [
      "Llama-3.1-8B from tables",
      ({ run: name, how }) => name.startsWith("llama") && how.startsWith("from tables"),
      "3 / 5 %, 6 / 10 %, 3 / 6 %",
    ],
    [
      "vLLM on OPT-13B, where it was fitted",
      ({ run: name }) => LIGHT.map(nameOf).includes(name),
      "12 %, –, 12 %, 10 points",
    ],
    [
      "DistServe up to 3/s, where it was fitted",
      ({ run: name }) => LIGHT_APART.map(nameOf).includes(name),
      "5 / 10 %, 10 / 15 %, 4 / 10 %, 3 / 5 points",
    ],
    [
      "DistServe at its knee",
      ({ run: name }) => KNEE_APART.map(nameOf).includes(name),
      "12 / 20 %, 10 / 15 %, 4 / 10 %, 3 / 5 points",
    ],
  ];

function aimsTable(findings: readonly TokenFinding[]): string {
  const rows = AIMS.map(([aim, isOf, toReach]) => {
    const own = findings.filter((one) => one.measured !== null && isOf(one)).map(errorsOf);
    const both = (of: "tpot" | "ttft" | "latency" | "attainment", unit: string): string => {
      const sorted = own.map((errors) => 100 * errors[of]).sort((a, b) => a - b);
      const middle = (sorted.length - 1) / 2;
      const median = meanOf([sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]);
      return `${median.toFixed(1)} / ${(sorted.at(-1) ?? Number.NaN).toFixed(1)}${unit}`;
    };
    const cells = [both("tpot", " %"), both("ttft", " %"), both("latency", " %")];
    return [aim, String(own.length), ...cells, both("attainment", " points"), toReach];
  });
  const figures = ["TPOT", "TTFT", "latency", "in both goals"].map(
    (one) => `${one}, median / worst`,
  );
  const heads = ["runs that are given", "count", ...figures, "to reach"];
  return [heads, heads.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}

/** Two runs whose shares in both goals lie more than two standard errors apart are to be in the same order. */
export function orderOf(findings: readonly TokenFinding[]): { right: number; pairs: number } {
  const given = findings.filter(
    ({ measured, how }) => measured !== null && !how.includes("without a limit"),
  );
  const share = ({ measured }: TokenFinding): number => (measured as TokenFigures).attainment;
  const variance = (one: TokenFinding): number => (share(one) * (1 - share(one))) / one.requests;
  const pairs = given.flatMap((one, i) =>
    given.slice(i + 1).flatMap((other) => {
      const apart = share(one) - share(other);
      if (Math.abs(apart) <= 2 * Math.sqrt(variance(one) + variance(other))) return [];
      return [(one.predicted.attainment - other.predicted.attainment) * apart > 0];
    }),
  );
  return { right: pairs.filter((isRight) => isRight).length, pairs: pairs.length };
}

function orderLine(findings: readonly TokenFinding[]): string {
  const { right, pairs } = orderOf(findings);
  return `Of ${pairs} pairs of given runs whose shares in both goals lie more than two standard errors apart, ${right} are predicted in their order; to reach: all but one.`;
}
