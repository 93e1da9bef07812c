/**
 * Times of a language model's iterations, measured in rounds on a grid of prompts, sequences and contexts, and fitted by the form
 * that scenarios have (`models.NAME.tokens.steps`).
 */
import type { Steps } from "../cluster/worker/engine-host.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import { coefficientTimes, type StepLoad } from "../engine/tokens/step-times.ts";
import { newSequence, type Sequence, type Share } from "../engine/tokens/token-engine.ts";
import { MOST_ROUNDS } from "../scenario/schema/profile.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";

/** The sizes of an iteration, and its times, µs. */
export interface MeasuredStep {
  readonly prefillTokens: number;
  readonly decodes: number;
  /** Tokens that the decodes look back on, in all. */
  readonly contextTokens: number;
  readonly timesUs: readonly number[];
}

type Triple = [number, number, number];

interface FittedSteps {
  readonly steps: { readonly prefill: Triple; readonly decode: Triple };
  /** As shares of measured times. */
  readonly medianError: number;
  readonly worstError: number;
}

interface StepGrid {
  readonly maxSequences: number;
  readonly maxBatchedTokens: number;
  /** Tokens that a sequence may have. */
  readonly most: number;
  /** Bound on the measurement, s. */
  readonly seconds: number;
}

/** Times of a cell in one round: the first is of cold caches and does not count. */
const REPEATS = 4;
/** Prompts of at most so many tokens are measured twice in a round. */
const SHORT_PROMPT = 64;
/** Tokens that all sequences of a round's cell have together, at most; one sequence has as many as it may. */
const MOST_CONTEXT = 2048;
const JOB = { output: 4096, mayEnd: false, priority: 0, client: 0, beginning: 0 };

/** A round has the times of the same iterations as all others. */
type Round = NonNullable<StepProfile["rounds"]>[number];

interface Measured {
  readonly cells: readonly MeasuredStep[];
  /** None where the bound cut the first. */
  readonly rounds: Round[];
}

/**
 * Measures prompts alone, then decodes at growing context, in rounds until the bound, so that their spread tells how far
 * the times may be off. A bound within the first round leaves what it has.
 */
export async function measureSteps(
  steps: Steps,
  grid: StepGrid,
  onStep: (text: string) => void = () => undefined,
): Promise<Measured> {
  const engine = sequencesOn(steps);
  const beganMs = performance.now();
  const spentS = (): number => (performance.now() - beganMs) / 1000;
  const cells: MeasuredStep[] = [];
  const rounds: Round[] = [];
  for (let longestS = 0; spentS() + longestS < grid.seconds && rounds.length < MOST_ROUNDS; ) {
    const startS = spentS();
    onStep(`round ${rounds.length + 1}`);
    const isCut = (): boolean => rounds.length === 0 && spentS() > grid.seconds;
    const found = await measureRound(engine, grid, isCut);
    for (const [i, { timesUs, ...cell }] of found.entries()) {
      cells[i] = { ...cell, timesUs: [...(cells[i]?.timesUs ?? []), ...timesUs] };
    }
    if (isCut()) break;
    const total = (isDecode: boolean): number =>
      sumOf(
        found
          .filter(({ decodes }) => decodes > 0 === isDecode)
          .map(({ timesUs }) => medianOf(timesUs)),
      );
    const atS = (startS + spentS()) / 2 - (rounds[0]?.atS ?? 0);
    rounds.push({ atS, prefillUs: total(false), decodeUs: total(true) });
    longestS = Math.max(longestS, spentS() - startS);
  }
  return { cells, rounds };
}

async function measureRound(
  engine: ReturnType<typeof sequencesOn>,
  { maxSequences, maxBatchedTokens, most }: StepGrid,
  isCut: () => boolean,
): Promise<readonly MeasuredStep[]> {
  const cells: MeasuredStep[] = [];
  const longest = Math.min(maxBatchedTokens, most - 1);
  for (const tokens of powersUpTo(longest, 8)) {
    if (isCut()) return cells;
    const timesUs: number[] = [];
    for (let i = 0; i < (tokens <= SHORT_PROMPT ? 2 : 1); i++) {
      const sequence = engine.begin(tokens);
      timesUs.push(await engine.run([{ sequence, tokens }]));
      engine.leave(sequence);
    }
    cells.push({ prefillTokens: tokens, decodes: 0, contextTokens: 0, timesUs });
  }
  const levels = powersUpTo(maxSequences, 1);
  // The first sequence runs at every level.
  for (const context of contextsUpTo(most - REPEATS * levels.length - 1)) {
    const running: Sequence[] = [];
    for (const decodes of levels) {
      if (isCut() || (decodes > 1 && decodes * context > MOST_CONTEXT)) break;
      while (running.length < decodes) {
        const sequence = engine.begin(context);
        for (let left = context; left > 0; left -= longest) {
          await engine.run([{ sequence, tokens: Math.min(left, longest) }]);
        }
        running.push(sequence);
      }
      // In the middle of the repeats; sequences that ran before have a few tokens more.
      const contextTokens =
        running.reduce((sum, one) => sum + one.promptTokens + one.made, 0) +
        (REPEATS / 2) * decodes;
      const timesUs: number[] = [];
      for (let i = 0; i < REPEATS; i++) {
        timesUs.push(await engine.run(running.map((sequence) => ({ sequence, tokens: 1 }))));
      }
      cells.push({ prefillTokens: 0, decodes, contextTokens, timesUs: timesUs.slice(1) });
    }
    for (const sequence of running) engine.leave(sequence);
  }
  return cells;
}

function sequencesOn(steps: Steps) {
  let ids = 0;
  return {
    begin(prompt: number): Sequence {
      const sequence = newSequence(++ids, prompt, 0);
      sequence.isRunning = true;
      steps.began(sequence, { ...JOB, prompt });
      return sequence;
    },
    leave(sequence: Sequence): void {
      sequence.isRunning = false;
      steps.left(sequence);
    },
    run: (shares: readonly Share[]): Promise<number> =>
      new Promise((resolve, reject) => {
        const ended = (us: number): void => {
          for (const { sequence, tokens } of shares) {
            sequence.computed += tokens;
            if (sequence.computed === sequence.promptTokens + sequence.made) sequence.made++;
          }
          resolve(us);
        };
        steps.run({ shares, follows: false, warmUp: false }, ended, reject);
      }),
  };
}

/** Doubled from the least on, and the most itself. */
export function powersUpTo(most: number, least: number): number[] {
  const sizes: number[] = [];
  for (let size = least; size < most; size *= 2) sizes.push(size);
  return [...sizes, most];
}

function contextsUpTo(most: number): number[] {
  return [...new Set([32, 256, 768].map((tokens) => Math.min(tokens, most)))];
}

/** Least squares of relative errors, with no coefficient below 0: a time grows with every size. */
export function fitSteps(measured: readonly MeasuredStep[]): FittedSteps {
  const prefills = measured.filter((one) => one.decodes === 0);
  const decodes = measured.filter((one) => one.decodes > 0);
  const steps = {
    prefill: fitted(prefills, ({ prefillTokens: tokens }) => [1, tokens, tokens ** 2]),
    decode: fitted(decodes, (one) => [1, one.contextTokens, one.decodes]),
  };
  const times = coefficientTimes(
    { ...steps, many: Number.POSITIVE_INFINITY, decodeMany: steps.decode },
    { stepMs: 0, sequenceMs: 0 },
  );
  const errors = measured
    .map((one) => Math.abs(times(loadsOf(one)) / medianOf(one.timesUs) - 1))
    .sort((a, b) => a - b);
  return {
    steps,
    medianError: errors[Math.floor(errors.length / 2)] ?? Number.NaN,
    worstError: errors.at(-1) ?? Number.NaN,
  };
}

function loadsOf({ prefillTokens, decodes, contextTokens }: MeasuredStep): StepLoad {
  const chunks = prefillTokens === 0 ? [] : [{ tokens: prefillTokens, before: 0 }];
  return { chunks, decodes, context: contextTokens, heads: decodes + chunks.length };
}

/** Coefficients in ms: of all choices of terms that give none below 0, the one with the least error. */
function fitted(measured: readonly MeasuredStep[], terms: (one: MeasuredStep) => Triple): Triple {
  const rows = measured.map((one) => {
    const ms = medianOf(one.timesUs) / 1000;
    return terms(one).map((term) => term / ms);
  });
  let best: { readonly error: number; readonly found: Triple } | null = null;
  for (let chosen = 1; chosen < 8; chosen++) {
    const kept = [0, 1, 2].filter((term) => ((chosen >> term) & 1) === 1);
    const solved = solve(
      kept.map((a) => [
        ...kept.map((b) => sumOver(rows, (row) => row[a] * row[b])),
        sumOver(rows, (row) => row[a]),
      ]),
    );
    if (solved === null || solved.some((value) => value < 0)) continue;
    const found = [0, 1, 2].map((term) => solved[kept.indexOf(term)] ?? 0) as unknown as Triple;
    const error = sumOver(
      rows,
      (row) => (row.reduce((sum, x, i) => sum + x * found[i], 0) - 1) ** 2,
    );
    if (best === null || error < best.error) best = { error, found };
  }
  return best?.found ?? [0, 0, 0];
}

function sumOver(rows: readonly (readonly number[])[], value: (row: readonly number[]) => number) {
  return rows.reduce((sum, row) => sum + value(row), 0);
}

/** Gauss-Jordan with pivoting; the last column is the right side. Null where there is no one solution. */
function solve(given: readonly (readonly number[])[]): readonly number[] | null {
  const rows = given.map((row) => [...row]);
  const size = rows.length;
  for (let at = 0; at < size; at++) {
    let pivot = at;
    for (let i = at + 1; i < size; i++) {
      if (Math.abs(rows[i][at]) > Math.abs(rows[pivot][at])) pivot = i;
    }
    [rows[at], rows[pivot]] = [rows[pivot], rows[at]];
    if (Math.abs(rows[at][at]) < 1e-12) return null;
    for (let i = 0; i < size; i++) {
      if (i === at) continue;
      const factor = rows[i][at] / rows[at][at];
      for (let j = at; j <= size; j++) rows[i][j] -= factor * rows[at][j];
    }
  }
  return rows.map((row, i) => row[size] / row[i]);
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}
