/**
 * Published runs of language models beside the engine's predictions. Llama-3.1-8B on vLLM: step times from measured
 * tables, nothing fitted. OPT-13B on vLLM's first scheduler: published step coefficients, and what a processor adds
 * fitted on runs at light load; two pairs of runs disagree, so there are two fits, and a prediction is between them.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { meanOf } from "../../../engine/statistics/estimate.ts";
import {
  coefficientTimes,
  layerTimes,
  type StepCoefficients,
} from "../../../engine/tokens/step-times.ts";
import type { EngineLimits } from "../../../engine/tokens/token-engine.ts";
import { vllm } from "../../../schedulers/iterations/vllm.ts";
import { vllmV0 } from "../../../schedulers/iterations/vllm-v0.ts";
import { playRun, type TokenTimes } from "./engine-run.ts";
import {
  isPublishedHere,
  type MeasuredRequest,
  publishedCoefficients,
  publishedRun,
  publishedTables,
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
    const stepTimes = layerTimes(publishedTables(folder, layers));
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

/** What a processor adds: to each iteration, for each of its sequences, and once to each request. */
interface Fitted {
  readonly stepMs: number;
  readonly sequenceMs: number;
  readonly requestMs: number;
}

/** vLLM of April 2024; 56,000 tokens of KV is where these runs level off. */
const V0: EngineLimits = {
  maxSequences: 256,
  maxBatchedTokens: 2560,
  blocks: 3500,
  blockTokens: 16,
  prefixCaching: false,
};

function optFigures(file: string, times: StepCoefficients, fitted: Fitted): TokenFigures {
  const requests = publishedRun(file);
  const played = playRun(requests, V0, vllmV0(), coefficientTimes(times, fitted));
  const addUs = fitted.requestMs * 1000;
  const later = played.times.map(({ firstTokenUs, lastTokenUs }) => {
    return { firstTokenUs: firstTokenUs + addUs, lastTokenUs: lastTokenUs + addUs };
  });
  return figuresOf(requests, later);
}

/** Least squares of the logarithms of TPOT and latency on a grid; the rest of TTFT is the request's. */
function fittedOn(files: readonly string[], times: StepCoefficients): Fitted {
  const measured = files.map((file) => measuredOf(publishedRun(file)) as TokenFigures);
  let best = { error: Number.POSITIVE_INFINITY, stepMs: 0, sequenceMs: 0, requestMs: 0 };
  for (let stepMs = 0; stepMs <= 14; stepMs++) {
    for (let tenth = 0; tenth <= 14; tenth++) {
      const tried = { stepMs, sequenceMs: tenth / 10, requestMs: 0 };
      const found = files.map((file) => optFigures(file, times, tried));
      const error = found.reduce((sum, { tpotMs, latencyMs }, i) => {
        const own = measured[i];
        return sum + Math.log(tpotMs / own.tpotMs) ** 2 + Math.log(latencyMs / own.latencyMs) ** 2;
      }, 0);
      if (error >= best.error) continue;
      const requestMs = meanOf(found.map(({ ttftMs }, i) => measured[i].ttftMs - ttftMs));
      best = { ...tried, error, requestMs: Math.max(0, requestMs) };
    }
  }
  return best;
}

const run = (name: string): string => `opt-13b-a100-vllm-${name}.csv`;
const LIGHT = [run("1-100"), run("1.5-150")];
const OTHERS = [run("2-100"), run("2-200")];
const HELD = ["2.5-250", "3-300", "3.5-350", "4-400"].map((name) => `to-predict/${run(name)}`);

export function coefficientFindings(): TokenFinding[] {
  const times = publishedCoefficients("opt-13b-a100-vllm-step-coefficients.json");
  const light = fittedOn(LIGHT, times);
  const other = fittedOn(OTHERS, times);
  return [...LIGHT, ...OTHERS, ...HELD].map((file) => ({
    run: file.replace("to-predict/", "").replace(".csv", ""),
    how: "overheads fitted on the runs at 1 and 1.5/s; on those at 2/s",
    predicted: optFigures(file, times, light),
    other: optFigures(file, times, other),
    measured: measuredOf(publishedRun(file)),
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
  const found = [...tableFindings(), tableFindings(false)[0], ...coefficientFindings()];
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
    "Published runs of vLLM beside `engine/tokens/`, which plays their arrivals and lengths through the iteration scheduler in `schedulers/iterations/`. Means over a run; goals: TTFT ≤ 200 ms and TPOT ≤ 100 ms. To reach from tables: TPOT ±3 %, TTFT ±6 %, latency ±3 %, and more than that without a limit of KV blocks. Runs without `measured` are predictions: their latencies are held back. The pairs of OPT-13B at light load and at 2/s disagree by 15 to 30 %, so each prediction has both fits as its ends. Qwen3-32B's tables leave out the all-reduce of its two GPUs.",
    lines.join("\n"),
  ].join("\n\n");
}
