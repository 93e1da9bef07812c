/** Measured iterations of a language model, fitted by the form that scenarios have (`models.NAME.tokens.steps`). */
import { medianOf } from "../engine/statistics/estimate.ts";
import { solve } from "../engine/statistics/linear-system.ts";
import { coefficientTimes, type StepLoad, squareOf } from "../engine/tokens/step-times.ts";

/** The sizes of an iteration. */
export interface StepSizes {
  /** Tokens in the chunk of a prompt that it computes; 0: it computes none. */
  readonly prefillTokens: number;
  /** Tokens of that prompt that earlier iterations computed. */
  readonly beforeTokens: number;
  readonly decodes: number;
  /** Tokens that the decodes look back on, in all. */
  readonly contextTokens: number;
}

export interface MeasuredStep extends StepSizes {
  readonly timesUs: readonly number[];
}

type Triple = [number, number, number];

interface FittedSteps {
  readonly steps: {
    readonly prefill: Triple;
    readonly decode: Triple;
    readonly decodeMany?: { readonly from: number; readonly decode: Triple };
  };
  /** As shares of measured times. */
  readonly medianError: number;
  readonly worstError: number;
}

/**
 * All cells together, by least squares of relative errors, with no coefficient below 0: a time grows with every size. One
 * sequence alone has coefficients of its own, for an engine may compute it otherwise than several.
 */
export function fitSteps(measured: readonly MeasuredStep[]): FittedSteps {
  const found = fitted(measured);
  const [alone, context] = found.slice(PREFILL_TERMS);
  const several = found.slice(PREFILL_TERMS + 2);
  const steps = {
    prefill: found.slice(0, PREFILL_TERMS) as Triple,
    decode: [alone, context, 0] as Triple,
    ...(measured.every(({ decodes }) => decodes < 2)
      ? {}
      : { decodeMany: { from: 2, decode: several as Triple } }),
  };
  const { prefill, decode, decodeMany = { from: 2, decode } } = steps;
  const times = coefficientTimes(
    { prefill, decode, many: decodeMany.from, decodeMany: decodeMany.decode },
    { stepMs: 0, sequenceMs: 0 },
  );
  const errors = measured
    .map((one) => Math.abs(times(stepLoadOf(one)) / medianOf(one.timesUs) - 1))
    .sort((a, b) => a - b);
  return {
    steps,
    medianError: errors[Math.floor(errors.length / 2)] ?? Number.NaN,
    worstError: errors.at(-1) ?? Number.NaN,
  };
}

function stepLoadOf({ decodes, contextTokens, ...chunk }: StepSizes): StepLoad {
  const { prefillTokens: tokens, beforeTokens: before } = chunk;
  const chunks = tokens === 0 ? [] : [{ tokens, before }];
  return { chunks, decodes, context: contextTokens, heads: decodes + chunks.length };
}

const PREFILL_TERMS = 3;

/** Those of a prompt, of one token, and of several tokens. */
function termsOf({ prefillTokens, beforeTokens, decodes, contextTokens }: StepSizes): number[] {
  const square = squareOf({ tokens: prefillTokens, before: beforeTokens });
  return [
    ...(prefillTokens === 0 ? [0, 0, 0] : [1, prefillTokens, square]),
    ...(decodes === 1 ? [1, contextTokens] : [0, 0]),
    ...(decodes > 1 ? [1, contextTokens, decodes] : [0, 0, 0]),
  ];
}

/** Coefficients in ms: of all choices of terms that give none below 0, the one with the least error. */
function fitted(measured: readonly MeasuredStep[]): readonly number[] {
  const rows = measured.map((one) => {
    const ms = medianOf(one.timesUs) / 1000;
    return termsOf(one).map((term) => term / ms);
  });
  const terms = [0, 1, 2, 3, 4, 5, 6, 7];
  let best = { error: Number.POSITIVE_INFINITY, found: terms.map(() => 0) };
  for (let chosen = 1; chosen < 2 ** terms.length; chosen++) {
    const kept = terms.filter((term) => ((chosen >> term) & 1) === 1);
    const solved = solve(
      kept.map((a) => [
        ...kept.map((b) => sumOver(rows, (row) => row[a] * row[b])),
        sumOver(rows, (row) => row[a]),
      ]),
    );
    if (solved === null || solved.some((value) => value < 0)) continue;
    const found = terms.map((term) => solved[kept.indexOf(term)] ?? 0);
    const error = sumOver(
      rows,
      (row) => (row.reduce((sum, x, i) => sum + x * found[i], 0) - 1) ** 2,
    );
    if (error < best.error) best = { error, found };
  }
  return best.found;
}

function sumOver(rows: readonly (readonly number[])[], value: (row: readonly number[]) => number) {
  return rows.reduce((sum, row) => sum + value(row), 0);
}
