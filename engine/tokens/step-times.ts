/** The time of an iteration from what it computes: by fitted coefficients, or by measured tables of a model's layers. */
import { sumOf } from "../statistics/estimate.ts";
import type { Share } from "./token-engine.ts";

/** What the time of an iteration depends on. */
export interface StepLoad {
  /** Parts of prompts, and of tokens that are computed again after a preemption. */
  readonly chunks: readonly Chunk[];
  /** Sequences that compute their last token alone, and the tokens that these look back on in all. */
  readonly decodes: number;
  readonly context: number;
  /** Sequences that make a token: the model's head runs for each. */
  readonly heads: number;
}

interface Chunk {
  readonly tokens: number;
  /** Tokens of the sequence that are there already. */
  readonly before: number;
}

/** Time of an iteration, µs. */
export type StepTimes = (load: StepLoad) => number;

/** Before the iteration has ended. */
export function loadOf(shares: readonly Share[]): StepLoad {
  const chunks: Chunk[] = [];
  let [decodes, context, heads] = [0, 0, 0];
  for (const { sequence, tokens } of shares) {
    const { promptTokens, made, computed } = sequence;
    const all = promptTokens + made;
    if (computed + tokens === all) heads++;
    if (tokens === 1 && made > 0 && computed === all - 1) {
      decodes++;
      context += all;
    } else {
      chunks.push({ tokens, before: computed });
    }
  }
  return { chunks, decodes, context, heads };
}

/**
 * Coefficients in ms: a prefill takes a + b Σ tokens + c Σ tokens², a decode a + b context + c sequences, with others
 * from `many` sequences on. Chunks of a prompt look back on those before, so their squares make up that of the prompt.
 * Source of the form: Zhong et al., DistServe, OSDI 2024, appendix A.
 */
export interface StepCoefficients {
  readonly prefill: readonly [number, number, number];
  readonly decode: readonly [number, number, number];
  readonly many: number;
  readonly decodeMany: readonly [number, number, number];
}

/** `overhead`: what a processor adds to each iteration and for each sequence of it, ms. */
export function coefficientTimes(
  { prefill, decode, many, decodeMany }: StepCoefficients,
  overhead: { readonly stepMs: number; readonly sequenceMs: number },
): StepTimes {
  return ({ chunks, decodes, context }) => {
    let ms = overhead.stepMs + overhead.sequenceMs * (chunks.length + decodes);
    if (chunks.length > 0) {
      const tokens = sumOf(chunks.map((chunk) => chunk.tokens));
      const squares = sumOf(chunks.map(squareOf));
      ms += prefill[0] + prefill[1] * tokens + prefill[2] * squares;
    }
    if (decodes > 0) {
      const [a, b, c] = decodes < many ? decode : decodeMany;
      ms += a + b * context + c * decodes;
    }
    return ms * 1000;
  };
}

/** By how much a chunk makes the square of its prompt's tokens larger. */
export function squareOf({ tokens, before }: Chunk): number {
  return tokens * (tokens + 2 * before);
}

/** A measured time, µs, by the size that it was measured at, ascending. */
type Curve = readonly { readonly at: number; readonly us: number }[];

/** Attention of one layer: a chunk after `before` tokens beside so many decodes that look back on `context` each. */
interface AttentionTime {
  readonly chunk: number;
  readonly before: number;
  readonly decodes: number;
  readonly context: number;
  readonly us: number;
}

export interface LayerTables {
  readonly layers: number;
  /** By the tokens of an iteration: all of a layer but its attention, and all that runs once. */
  readonly layer: Curve;
  readonly once: Curve;
  /** By the sequences that make a token. */
  readonly head: Curve;
  readonly attention: readonly AttentionTime[];
}

/**
 * Layers times what each takes, and once what runs once; between measured sizes the time is a straight line. Decodes of
 * different context count with their mean. Of several chunks, each after the first adds its time beyond the launch.
 */
export function layerTimes(tables: LayerTables): StepTimes {
  const [layer, once, head] = [tables.layer, tables.once, tables.head].map(interpolated);
  const attention = attentionTimes(tables.attention);
  const launchUs = attention(1, 0, 0, 0);
  return ({ chunks, decodes, context, heads }) => {
    const tokens = sumOf(chunks.map((chunk) => chunk.tokens)) + decodes;
    const [first = { tokens: 0, before: 0 }, ...more] = chunks;
    const mean = decodes === 0 ? 0 : context / decodes;
    const others = more.map((one) => attention(one.tokens, one.before, 0, 0) - launchUs);
    const attentionUs = attention(first.tokens, first.before, decodes, mean) + sumOf(others);
    return tables.layers * (layer(tokens) + attentionUs) + once(tokens) + head(heads);
  };
}

/** Beyond the largest size the time goes on in proportion; below the smallest it stays; none at 0. */
function interpolated(curve: Curve): (at: number) => number {
  const { at: most, us: mostUs } = curve[curve.length - 1];
  return (at) => {
    if (at <= 0) return 0;
    if (at >= most) return (mostUs * at) / most;
    const above = curve.findIndex((one) => one.at >= at);
    const high = curve[above];
    const low = curve[Math.max(0, above - 1)];
    if (high.at === low.at) return high.us;
    return low.us + ((high.us - low.us) * (at - low.at)) / (high.at - low.at);
  };
}

type AttentionAt = (chunk: number, before: number, decodes: number, context: number) => number;

/** A straight line along each of the four axes. A table has rows for no chunk, and for no decode, apart. */
function attentionTimes(rows: readonly AttentionTime[]): AttentionAt {
  const key = (at: readonly number[]): string => at.join();
  const known = new Map(
    rows.map((row) => [key([row.chunk, row.before, row.decodes, row.context]), row.us]),
  );
  const axis = (of: (row: AttentionTime) => number, from: number): readonly number[] =>
    [...new Set(rows.map(of))].filter((value) => value >= from).sort((a, b) => a - b);
  const chunks = axis(({ chunk }) => chunk, 1);
  const befores = axis(({ before }) => before, 0);
  const decodeCounts = axis(({ decodes }) => decodes, 1);
  const contexts = axis(({ context }) => context, 1);
  const none: Place = { low: 0, high: 0, share: 0 };
  return (chunk, before, decodes, context) => {
    const places = [
      chunk === 0 ? none : placeOf(chunks, chunk),
      chunk === 0 ? none : placeOf(befores, before),
      decodes === 0 ? none : placeOf(decodeCounts, decodes),
      decodes === 0 ? none : placeOf(contexts, context),
    ];
    let [us, weights] = [0, 0];
    for (let corner = 0; corner < 2 ** places.length; corner++) {
      const isHigh = places.map((_, i) => ((corner >> i) & 1) === 1);
      const weight = places.reduce((w, { share }, i) => w * (isHigh[i] ? share : 1 - share), 1);
      if (weight === 0) continue;
      const found = known.get(key(places.map(({ low, high }, i) => (isHigh[i] ? high : low))));
      if (found === undefined) continue;
      us += weight * found;
      weights += weight;
    }
    return weights === 0 ? 0 : us / weights;
  };
}

interface Place {
  readonly low: number;
  readonly high: number;
  readonly share: number;
}

/** Between the two nearest values; beyond the last the line goes on. */
function placeOf(axis: readonly number[], at: number): Place {
  if (at <= axis[0]) return { low: axis[0], high: axis[0], share: 0 };
  const above = axis.findIndex((value) => value >= at);
  const high = above < 0 ? axis.length - 1 : above;
  const [low, top] = [axis[high - 1], axis[high]];
  return { low, high: top, share: (at - low) / (top - low) };
}
