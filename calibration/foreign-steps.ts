/**
 * Times of language models' iterations that others measured: tables of a model's layers, as the profiler of
 * LLMServingSim 2.0 writes them (a folder), and coefficients by model and number of GPUs, as DistServe publishes them.
 */
import { z } from "zod";
import { Fault } from "../engine/basics/fault.ts";
import { csvCells } from "../scenario/reading/trace.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";

export type StepTimesDocument = StepProfile["times"];

/** Every operation of a layer but its attention; a layer normalises twice. */
const LAYER = [
  "layernorm",
  "qkv_proj",
  "rotary_emb",
  "o_proj",
  "layernorm",
  "gate_up_proj",
  "act_fn",
  "down_proj",
];
/** Some models have it. */
const NORMS = ["qk_norm"];
const ONCE = ["embedding", "final_layernorm"];
const HEAD = ["lm_head", "sampler"];
const ATTENTION = ["prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us"];

/** Files that a folder of such tables has. */
export const LAYER_TABLES = ["dense.csv", "per_sequence.csv", "attention.csv"] as const;

/** `read` gives a file's text. Throws Fault("invalid-input") for a column or an operation that is missing, or no number. */
export function layerTables(
  read: (name: (typeof LAYER_TABLES)[number]) => string,
  layers: number,
): StepTimesDocument {
  const dense = table("dense.csv", read("dense.csv"), ["layer", "tokens", "time_us"]);
  const columns = ["layer", "sequences", "time_us"];
  const perSequence = table("per_sequence.csv", read("per_sequence.csv"), columns);
  const norms = NORMS.filter((name) => dense.some(([layer]) => layer === name));
  return {
    layers,
    layerUs: summed("dense.csv", dense, [...LAYER, ...norms]),
    onceUs: summed("dense.csv", dense, ONCE),
    headUs: summed("per_sequence.csv", perSequence, HEAD),
    attentionUs: table("attention.csv", read("attention.csv"), ATTENTION).map((cells, i) => {
      const [chunk, before, decodes, context, us] = cells.map(Number);
      if ([chunk, before, decodes, context, us].every((one) => one >= 0)) {
        return [chunk, before, decodes, context, us];
      }
      throw refused("attention.csv", `expected five numbers from 0 up, got ${cells.join()}`, i + 2);
    }),
  };
}

function refused(file: string, message: string, line: number): Fault {
  return new Fault("invalid-input", `${file}: ${message}`, {
    issues: [{ path: "", message, file, line }],
  });
}

/** Cells of the named columns, row by row. */
function table(file: string, text: string, columns: readonly string[]): readonly string[][] {
  const [head, ...lines] = text.trim().split(/\r?\n/);
  const header = csvCells(head);
  const missing = columns.find((name) => !header.includes(name));
  if (missing !== undefined) throw refused(file, `there is no column "${missing}"`, 1);
  return lines.map((line) => {
    const cells = csvCells(line);
    return columns.map((name) => cells[header.indexOf(name)] ?? "");
  });
}

/** The sum of several operations' times, by size, ascending. */
function summed(file: string, rows: readonly string[][], operations: readonly string[]) {
  const known = new Map(rows.map(([name, size, us]) => [`${name}/${Number(size)}`, Number(us)]));
  const sizes = [...new Set(rows.map(([, size]) => Number(size)))].sort((a, b) => a - b);
  return sizes.map((size): [number, number] => {
    const times = operations.map((name) => {
      const us = known.get(`${name}/${size}`);
      if (us !== undefined && us >= 0) return us;
      throw refused(file, `there is no time of ${name} at ${size}; the file may be cut off`, 1);
    });
    return [size, times.reduce((sum, us) => sum + us, 0)];
  });
}

const triple = z.tuple([z.number(), z.number(), z.number()]);

const coefficientsSchema = z.record(
  z.string(),
  z.record(
    z.string(),
    z.object({
      prefill: triple,
      decoding_smallbs: triple,
      decoding_largebs: triple,
      decoding_large_small_bs_threshold: z.number(),
    }),
  ),
);

/** Whether a text is of coefficients. */
export function isCoefficients(text: string): boolean {
  return text.includes('"decoding_smallbs"');
}

/** The coefficients of a model that is split over so many GPUs. Throws Fault("invalid-input") where the file has none. */
export function publishedCoefficients(
  file: string,
  text: string,
  model: string,
  gpus: number,
): StepTimesDocument {
  const found = coefficientsSchema.safeParse(JSON.parse(text));
  if (!found.success) throw refused(file, z.prettifyError(found.error), 1);
  const own = found.data[model]?.[gpus];
  if (own === undefined) {
    const known = Object.entries(found.data).map(
      ([name, all]) => `${name} (${Object.keys(all).join(", ")})`,
    );
    throw refused(file, `no ${model} on ${gpus} GPUs; models and GPUs: ${known.join("; ")}`, 1);
  }
  return {
    prefill: own.prefill,
    decode: own.decoding_smallbs,
    decodeMany: { from: own.decoding_large_small_bs_threshold, decode: own.decoding_largebs },
    stepMs: 0,
    sequenceMs: 0,
  };
}
