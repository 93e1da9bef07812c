/**
 * Published runs of language models beside the engine's predictions. Llama-3.1-8B on vLLM: step times from measured
 * tables, nothing fitted. OPT-13B on vLLM's first scheduler: published step coefficients, and what a processor adds
 * fitted on runs at light load; two pairs of runs disagree, so there are two fits, and a prediction is between them.
 * OPT-13B on DistServe: the same with prefill and decode on devices of their own.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { meanOf } from "../../../engine/statistics/estimate.ts";
import type { EngineLimits } from "../../../engine/tokens/token-engine.ts";
import { vllm } from "../../../schedulers/iterations/vllm.ts";
import { vllmV0 } from "../../../schedulers/iterations/vllm-v0.ts";
import { playApart } from "./apart-run.ts";
import { type PlayedRun, playRun, type TokenTimes } from "./engine-run.ts";
import {
  coefficientTimesOf,
  isPublishedHere,
  type MeasuredRequest,
  publishedRun,
  tableTimes,
} from "./published.ts";

/** Means over a run, ms; attainment: the share with TTFT within 200 ms and TPOT within 100 ms. */
interface TokenFigures {
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly latencyMs: number;
  readonly attainment: number;
}

interface TokenFinding {
  readonly run: string;
  /** In what the prediction is made, and of which aim it is part. */
  readonly how: string;
  readonly predicted: TokenFigures;
  /** The prediction of the other fit; null: nothing was fitted. */
  readonly other: TokenFigures | null;
  /** Null where the run is held back. */
  readonly measured: TokenFigures | null;
}

/** In the sources, from which the study is started. */
const FINDINGS = join("bench", "fidelity", "language-models", "findings.json");
const TTFT_GOAL_MS = 200;
const TPOT_GOAL_MS = 100;

function figuresOf(requests: readonly MeasuredRequest[], times: readonly TokenTimes[]) {
  const tpots = times.map(({ firstTokenUs, lastTokenUs }, i) => {
    return (lastTokenUs - firstTokenUs) / 1000 / Math.max(1, requests[i].outputTokens - 1);
  });
  const met = times.filter(({ firstTokenUs }, i) => {
    return firstTokenUs / 1000 <= TTFT_GOAL_MS && tpots[i] <= TPOT_GOAL_MS;
  });
  return {
    ttftMs: meanOf(times.map(({ firstTokenUs }) => firstTokenUs)) / 1000,
    tpotMs: meanOf(tpots.filter((_, i) => requests[i].outputTokens > 1)),
    latencyMs: meanOf(times.map(({ lastTokenUs }) => lastTokenUs)) / 1000,
    attainment: met.length / times.length,
  };
}

function measuredOf(requests: readonly MeasuredRequest[]): TokenFigures | null {
  if (Number.isNaN(requests[0].firstTokenMs)) return null;
  const times = requests.map(({ firstTokenMs, lastTokenMs }) => {
    return { firstTokenUs: firstTokenMs * 1000, lastTokenUs: lastTokenMs * 1000 };
  });
  return figuresOf(requests, times);
}

/** vLLM 0.19 as these runs had it; kept prefixes are its default. */
const V1 = { maxBatchedTokens: 2048, blockTokens: 16, prefixCaching: true };
/** More blocks than a run of 300 requests fills. */
const PLENTY = 100_000;

const LLAMA_RUNS = [
  { folder: "llama-3.1-8b-rtx4090", layers: 32, maxSequences: 256, blocks: 2588 },
  { folder: "llama-3.1-8b-rtxpro6000", layers: 32, maxSequences: 128, blocks: PLENTY },
  { folder: "qwen3-32b-rtxpro6000", layers: 64, maxSequences: 128, blocks: PLENTY },
];

export function tableFindings(limited = true): TokenFinding[] {
  return LLAMA_RUNS.map(({ folder, layers, maxSequences, blocks }) => {
    const given = folder === "llama-3.1-8b-rtx4090";
    const requests = publishedRun(given ? `${folder}/measured.csv` : `to-predict/${folder}.csv`);
    const limits = { ...V1, maxSequences, blocks: limited ? blocks : PLENTY };
    const stepTimes = tableTimes(folder, layers);
    const { times } = playRun(requests, limits, vllm(), stepTimes);
    return {
      run: folder,
      how: limited ? "from tables, nothing fitted" : "the same without a limit of KV blocks",
      predicted: figuresOf(requests, times),
      other: null,
      measured: measuredOf(requests),
    };
  });
}

/** A processor adds these: to each iteration, for each of its sequences, once to each request, and to each hand-over. */
interface Fitted {
  readonly stepMs: number;
  readonly sequenceMs: number;
  readonly requestMs: number;
  readonly handOverMs: number;
}

type Play = (requests: readonly MeasuredRequest[], fitted: Fitted) => PlayedRun;

function fittedFigures(play: Play, file: string, fitted: Fitted): TokenFigures {
  const requests = publishedRun(file);
  const addUs = fitted.requestMs * 1000;
  const later = play(requests, fitted).times.map(({ firstTokenUs, lastTokenUs }) => {
    return { firstTokenUs: firstTokenUs + addUs, lastTokenUs: lastTokenUs + addUs };
  });
  return figuresOf(requests, later);
}

/** Least squares of the logarithms of TPOT and latency on a grid; the rest of TTFT is the request's. */
function fittedOn(files: readonly string[], play: Play, handOvers: readonly number[]): Fitted {
  const measured = files.map((file) => measuredOf(publishedRun(file)) as TokenFigures);
  let best: Fitted = { stepMs: 0, sequenceMs: 0, requestMs: 0, handOverMs: 0 };
  let least = Number.POSITIVE_INFINITY;
  const grid = handOvers.flatMap((handOverMs) =>
    STEPS_MS.flatMap((stepMs) =>
      SEQUENCES_MS.map((sequenceMs) => ({ stepMs, sequenceMs, requestMs: 0, handOverMs })),
    ),
  );
  for (const tried of grid) {
    const found = files.map((file) => fittedFigures(play, file, tried));
    const error = found.reduce((sum, { tpotMs, latencyMs }, i) => {
      const own = measured[i];
      return sum + Math.log(tpotMs / own.tpotMs) ** 2 + Math.log(latencyMs / own.latencyMs) ** 2;
    }, 0);
    if (error >= least) continue;
    least = error;
    const requestMs = meanOf(found.map(({ ttftMs }, i) => measured[i].ttftMs - ttftMs));
    best = { ...tried, requestMs: Math.max(0, requestMs) };
  }
  return best;
}

const STEPS_MS = Array.from({ length: 15 }, (_, i) => i);
const SEQUENCES_MS = Array.from({ length: 15 }, (_, i) => i / 10);

/** vLLM of April 2024; 56,000 tokens of KV is where these runs level off. */
const V0: EngineLimits = {
  maxSequences: 256,
  maxBatchedTokens: 2560,
  blocks: 3500,
  blockTokens: 16,
  prefixCaching: false,
};

const run = (name: string): string => `opt-13b-a100-vllm-${name}.csv`;
const LIGHT = [run("1-100"), run("1.5-150")];
const OTHERS = [run("2-100"), run("2-200")];
const HELD = ["2.5-250", "3-300", "3.5-350", "4-400"].map((name) => `to-predict/${run(name)}`);

export function coefficientFindings(): TokenFinding[] {
  const times = coefficientTimesOf("opt-13b-a100-vllm-step-coefficients.json", 1);
  const play: Play = (requests, fitted) => playRun(requests, V0, vllmV0(), times(fitted));
  const light = fittedOn(LIGHT, play, [0]);
  const other = fittedOn(OTHERS, play, [0]);
  return [...LIGHT, ...OTHERS, ...HELD].map((file) => ({
    run: nameOf(file),
    how: "overheads fitted on the runs at 1 and 1.5/s; on those at 2/s",
    predicted: fittedFigures(play, file, light),
    other: fittedFigures(play, file, other),
    measured: measuredOf(publishedRun(file)),
  }));
}

const nameOf = (file: string): string => file.replace("to-predict/", "").replace(".csv", "");

/** DistServe's limits, and the tokens of KV that it had on two GPUs for prefill, and on one for decode. */
const PREFILL: EngineLimits = { ...V0, maxBatchedTokens: 4096, blocks: 163_008 / 16 };
const DECODE: EngineLimits = { ...V0, maxBatchedTokens: 65_536, blocks: 66_144 / 16 };

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
    playApart(
      requests,
      { limits: PREFILL, stepTimes: two(fitted) },
      { limits: DECODE, stepTimes: one(fitted) },
      fitted.handOverMs,
    );
  const light = fittedOn(LIGHT_APART, play, [0, 20, 40, 60]);
  return [...LIGHT_APART, ...KNEE_APART, ...HELD_APART].map((name) => ({
    run: nameOf(name),
    how: "prefill and decode apart; overheads fitted on the runs at 1 to 3/s",
    predicted: fittedFigures(play, name, light),
    other: null,
    measured: measuredOf(publishedRun(name)),
  }));
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
  writeFileSync(FINDINGS, `${JSON.stringify(found, null, 1)}\n`);
}

export function tokenSection(): string {
  const found = JSON.parse(readFileSync(FINDINGS, "utf8")) as readonly TokenFinding[];
  const rows = found.map(({ run: name, how, predicted, other, measured }) => {
    const cell = (of: (figures: TokenFigures) => number, digits: number): string => {
      const ends = [predicted, ...(other === null ? [] : [other])].map(of);
      const shown = ends.map((end) => end.toFixed(digits)).join(" to ");
      if (measured === null) return shown;
      const off = (100 * (of(predicted) / of(measured) - 1)).toFixed(1).replace("-", "−");
      return `${shown}; measured ${of(measured).toFixed(digits)} (${off} %)`;
    };
    const attainment = [predicted, ...(other === null ? [] : [other])].map((figures) =>
      (100 * figures.attainment).toFixed(0),
    );
    const met = measured === null ? "" : `; measured ${(100 * measured.attainment).toFixed(0)}`;
    return [
      name,
      how,
      cell(({ ttftMs }) => ttftMs, 0),
      cell(({ tpotMs }) => tpotMs, 1),
      cell(({ latencyMs }) => latencyMs / 1000, 2),
      `${attainment.join(" to ")}${met}`,
    ];
  });
  const heads = ["run", "how", "TTFT, ms", "TPOT, ms", "latency, s", "in both goals, %"];
  const lines = [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return [
    "## Language models",
    "Published runs of vLLM beside `engine/tokens/`, which plays their arrivals and lengths through the iteration scheduler in `schedulers/iterations/`. Means over a run; goals: TTFT ≤ 200 ms and TPOT ≤ 100 ms. To reach from tables: TPOT ±3 %, TTFT ±6 %, latency ±3 %, and more than that without a limit of KV blocks. Runs without `measured` are predictions: their latencies are held back. The pairs of OPT-13B at light load and at 2/s disagree by 15 to 30 %, so each prediction has both fits as its ends. Qwen3-32B's tables leave out the all-reduce of its two GPUs. DistServe's overheads are fitted up to 3/s; the knee (4.5/s) and what is held back are predictions. To reach there: TTFT 10 %, TPOT 12 %, latency 4 % (median).",
    lines.join("\n"),
  ].join("\n\n");
}
