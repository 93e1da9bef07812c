/** Runs and step times that others have published, as `../shared/data/llm` has them (its README says what ran). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { Curve, LayerTables, StepCoefficients } from "../../../engine/tokens/step-times.ts";
import type { TokenRequest } from "./engine-run.ts";

/** Beside the checkout, from which study and tests are started; absent elsewhere. */
const FOLDER = join("..", "shared", "data", "llm");

export interface MeasuredRequest extends TokenRequest {
  readonly firstTokenMs: number;
  readonly lastTokenMs: number;
}

type Row = Readonly<Record<string, string>>;

export function isPublishedHere(): boolean {
  return existsSync(FOLDER);
}

function rows(file: string): readonly Row[] {
  const [head, ...lines] = readFileSync(join(FOLDER, file), "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, i) => [name, cells[i]]));
  });
}

/** In order of arrival. `ttft_ms` and `latency_ms` are NaN in runs that are held back. */
export function publishedRun(file: string): readonly MeasuredRequest[] {
  return rows(file).map((row) => ({
    arrivalUs: Math.round(Number(row.arrival_s) * 1e6),
    promptTokens: Number(row.prompt_tokens),
    outputTokens: Number(row.output_tokens),
    firstTokenMs: Number(row.ttft_ms ?? Number.NaN),
    lastTokenMs: Number(row.latency_ms ?? Number.NaN),
  }));
}

/** Of OPT-13B, split over so many GPUs. */
export function publishedCoefficients(file: string, gpus: 1 | 2): StepCoefficients {
  const all = JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
  const own = all["facebook/opt-13b"][gpus];
  return {
    prefill: own.prefill,
    decode: own.decoding_smallbs,
    many: own.decoding_large_small_bs_threshold,
    decodeMany: own.decoding_largebs,
  };
}

/** Every operation of a layer but its attention; a layer normalises twice. */
const LAYER = ["layernorm", "qkv_proj", "rotary_emb", "o_proj", "layernorm", "gate_up_proj"];
const LAYER_END = ["act_fn", "down_proj"];
const ONCE = ["embedding", "final_layernorm"];
const HEAD = ["lm_head", "sampler"];

/** `folder` of tables as LLMServingSim's profiler writes them. */
export function publishedTables(folder: string, layers: number): LayerTables {
  const dense = rows(`${folder}/dense.csv`);
  const perSequence = rows(`${folder}/per_sequence.csv`);
  const optional = ["qk_norm"].filter((name) => dense.some(({ layer }) => layer === name));
  return {
    layers,
    layer: summed(dense, "tokens", [...LAYER, ...LAYER_END, ...optional]),
    once: summed(dense, "tokens", ONCE),
    head: summed(perSequence, "sequences", HEAD),
    attention: rows(`${folder}/attention.csv`).map((row) => ({
      chunk: Number(row.prefill_chunk),
      before: Number(row.kv_prefill),
      decodes: Number(row.n_decode),
      context: Number(row.kv_decode),
      us: Number(row.time_us),
    })),
  };
}

/** The sum of several operations' times, by size. */
function summed(all: readonly Row[], size: string, operations: readonly string[]): Curve {
  const sizes = [...new Set(all.map((row) => Number(row[size])))].sort((a, b) => a - b);
  const known = new Map(all.map((row) => [`${row.layer}/${row[size]}`, Number(row.time_us)]));
  return sizes.map((at) => ({
    at,
    us: sumOf(operations.map((name) => known.get(`${name}/${at}`) ?? Number.NaN)),
  }));
}
