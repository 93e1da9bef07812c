/**
 * Times of a language model's iterations, measured in rounds on a grid of prompts, sequences and contexts. The grid has
 * what an engine under load meets: prompts alone, tokens alone, and chunks of prompts beside tokens.
 */
import type { Steps } from "../cluster/worker/engine-host.ts";
import { Fault } from "../engine/basics/fault.ts";
import { medianOf, sumOf } from "../engine/statistics/estimate.ts";
import { loadOf } from "../engine/tokens/step-times.ts";
import { newSequence, type Sequence, type Share } from "../engine/tokens/token-engine.ts";
import { MOST_ROUNDS } from "../scenario/schema/profile.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";
import type { MeasuredStep, StepSizes } from "./fit-steps.ts";

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
/** Tokens that the longest sequences have room for beside prompts of others. */
const BESIDE = 16;
const JOB = { output: 4096, mayEnd: false, priority: 0, client: 0, beginning: 0 };

/** A round has the times of the same iterations as all others. */
type Round = NonNullable<StepProfile["rounds"]>[number];

interface Measured {
  readonly cells: readonly MeasuredStep[];
  /** None where the bound cut the first. */
  readonly rounds: Round[];
  /** Disturbed rounds that count, because all were disturbed. */
  readonly doubts: readonly string[];
}

/** Watches the host during a round. */
interface RoundWatch {
  /** Resolves with what disturbed the round; null: nothing. */
  stop(): Promise<string | null>;
  close(): void;
}

interface MeasuredRound {
  readonly cells: readonly MeasuredStep[];
  /** Its middle. */
  readonly atS: number;
  readonly disturbed: string | null;
}

const UNWATCHED: RoundWatch = { stop: async () => null, close: () => undefined };

/**
 * Measures in rounds until the bound, so that their spread tells how far the times may be off. A bound within the first
 * round leaves what it has; a disturbed round counts only where all are. Rejects with Fault("invalid-input") for a context
 * with no room for the grid.
 */
export async function measureSteps(
  steps: Steps,
  grid: StepGrid,
  onStep: (text: string) => void = () => undefined,
  watch: () => RoundWatch = () => UNWATCHED,
): Promise<Measured> {
  const engine = sequencesOn(steps);
  const beganMs = performance.now();
  const spentS = (): number => (performance.now() - beganMs) / 1000;
  const rounds: MeasuredRound[] = [];
  const isLate = (): boolean => rounds.length === 0 && spentS() > grid.seconds;
  let isCut = false;
  for (let longestS = 0; spentS() + longestS < grid.seconds && rounds.length < MOST_ROUNDS; ) {
    const startS = spentS();
    onStep(`round ${rounds.length + 1}`);
    const watching = watch();
    try {
      const cells = await measureRound(engine, grid, isLate);
      isCut = isLate();
      const atS = (startS + spentS()) / 2;
      rounds.push({ cells, atS, disturbed: await watching.stop() });
    } finally {
      watching.close();
    }
    longestS = Math.max(longestS, spentS() - startS);
  }
  const quiet = rounds.filter(({ disturbed }) => disturbed === null);
  const kept = quiet.length > 0 ? quiet : rounds;
  const last = kept.at(-1)?.disturbed ?? null;
  return {
    cells: together(kept),
    rounds: isCut ? [] : kept.map(({ cells, atS }) => roundOf(cells, atS - kept[0].atS)),
    doubts: last === null ? [] : [`every round was disturbed; in the last, ${last}`],
  };
}

function together(rounds: readonly MeasuredRound[]): readonly MeasuredStep[] {
  const [first = { cells: [] }] = rounds;
  return first.cells.map((cell, i) => ({
    ...cell,
    timesUs: rounds.flatMap(({ cells }) => cells[i].timesUs),
  }));
}

function roundOf(cells: readonly MeasuredStep[], atS: number): Round {
  const total = (has: (cell: MeasuredStep) => boolean): number =>
    sumOf(cells.filter(has).map(({ timesUs }) => medianOf(timesUs)));
  const prefillUs = total(({ decodes }) => decodes === 0);
  const decodeUs = total(({ prefillTokens }) => prefillTokens === 0);
  return { atS, prefillUs, decodeUs };
}

type Engine = ReturnType<typeof sequencesOn>;

async function measureRound(
  engine: Engine,
  { maxSequences, maxBatchedTokens, most }: StepGrid,
  isCut: () => boolean,
): Promise<readonly MeasuredStep[]> {
  const levels = powersUpTo(maxSequences, 1);
  // The first sequence runs at every level, from its first token on.
  const own = REPEATS * levels.length + 1;
  if (own >= most) {
    const message = `a context of ${most} tokens is too short for ${maxSequences} sequences`;
    const hint = `calibration needs \`contextTokens: ${own + 2}\` at least`;
    throw new Fault("invalid-input", message, { hint });
  }
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
    cells.push({ prefillTokens: tokens, beforeTokens: 0, decodes: 0, contextTokens: 0, timesUs });
  }
  for (const context of contextsUpTo(Math.max(1, most - own - BESIDE))) {
    const running: Sequence[] = [];
    for (const [level, decodes] of levels.entries()) {
      if (isCut() || (decodes > 1 && decodes * context > MOST_CONTEXT)) break;
      const left = own - REPEATS * level;
      const hasRoom = ({ promptTokens, made }: Sequence): boolean =>
        promptTokens + made + left <= most;
      while (running.length < decodes) {
        const sequence = engine.begin(context);
        while (sequence.made === 0) {
          const beside = running.filter(hasRoom);
          const room = Math.max(1, longest - beside.length);
          const tokens = Math.min(context - sequence.computed, room);
          const shares = [...decodesOf(beside), { sequence, tokens }];
          cells.push({ ...sizesOf(shares), timesUs: [await engine.run(shares)] });
        }
        running.push(sequence);
      }
      cells.push(await measuredDecodes(engine, running));
    }
    for (const sequence of running) engine.leave(sequence);
  }
  return cells;
}

/** Its sizes are those in the middle of the repeats. */
async function measuredDecodes(engine: Engine, running: Sequence[]): Promise<MeasuredStep> {
  const timesUs: number[] = [];
  let sizes = sizesOf([]);
  for (let i = 0; i < REPEATS; i++) {
    const shares = decodesOf(running);
    if (i === REPEATS / 2) sizes = sizesOf(shares);
    timesUs.push(await engine.run(shares));
  }
  return { ...sizes, timesUs: timesUs.slice(1) };
}

function decodesOf(sequences: readonly Sequence[]): Share[] {
  return sequences.map((sequence) => ({ sequence, tokens: 1 }));
}

/** Before the iteration has run. */
function sizesOf(shares: readonly Share[]): StepSizes {
  const { chunks, decodes, context } = loadOf(shares);
  const [{ tokens, before } = { tokens: 0, before: 0 }] = chunks;
  return { prefillTokens: tokens, beforeTokens: before, decodes, contextTokens: context };
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
        steps.run({ shares, follows: false, warmUp: false, isKept: () => false }, ended, reject);
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
