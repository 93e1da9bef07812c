/** The figures of `scenarios/seed-load-test.yaml` from the requests of the three measured configurations. */
import { meanOf, selectQuantile } from "../../engine/statistics/estimate.ts";
import { LEVEL_MS, MEASURED, measuredRequests, type TestRequest } from "./seed-load-test.ts";

/** The figures of the scenario, as the three measured configurations give them. */
interface SeedFigures {
  /** Mean time of a batch of one, and by how much of it each further picture lengthens a batch. */
  readonly detectMs: number;
  readonly detectMarginal: number;
  readonly plateMs: number;
  readonly plateMarginal: number;
  /** Coefficient of variation of these times. */
  readonly cv: number;
  /** By how much of its time each other busy instance slows one down. */
  readonly contention: number;
  /** From a look at a queue to the next, without arrivals. */
  readonly recheckMs: number;
  /** How much earlier than a level of the summary its clients come. */
  readonly joinEarlyMs: number;
}

/** The clients of a level come a little before the summary's level begins, but never this much. */
const JOINED_MS = 200;
/** Answers of one batch come within this. */
const TOGETHER_MS = 10;
const median = (values: readonly number[]): number =>
  selectQuantile(Float64Array.from(values), 0.5);

export function seedFigures(): SeedFigures {
  const [single, batches, four] = MEASURED.map((name) =>
    measuredRequests(name).filter(({ isAnswered }) => isAnswered),
  );
  // From 8 clients on, a single detector is never idle, nor from 16 on where it takes three at once.
  const detectGaps = gapsOf(single.map(endMs).filter((ms) => ms > 3 * LEVEL_MS));
  const detectMs = meanOf(detectGaps);
  const ends = batches.map(endMs).filter((ms, i, all) => i === 0 || ms - all[i - 1] > TOGETHER_MS);
  const threeMs = meanOf(gapsOf(ends.filter((ms) => ms > 4 * LEVEL_MS)));

  // Long after the last arrival only rechecks start batches.
  const lastMs = Math.max(...four.map(({ startMs }) => startMs));
  const recheckMs = meanOf(gapsOf(four.map(endMs).filter((ms) => ms > lastMs + 12_000)));

  // Requests that met no other; where batches form, both models wait for two rechecks in vain.
  const isLone = (one: TestRequest): boolean => endMs(one) < LEVEL_MS - JOINED_MS;
  const loneMs = median([
    ...[...single, ...four].filter(isLone).map(({ latencyMs }) => latencyMs),
    ...batches.filter(isLone).map(({ latencyMs }) => latencyMs - 4 * recheckMs),
  ]);
  const plateMs = loneMs - detectMs;
  // Three pictures that came together while nobody was before them.
  const full = batches.filter(
    (one) =>
      batches.filter((other) => Math.abs(endMs(other) - endMs(one)) < TOGETHER_MS).length === 3,
  );
  const plateThreeMs = Math.min(...full.map(({ latencyMs }) => latencyMs)) - threeMs;

  // Four clients of four instances never wait, and differ from a lone one by their neighbours alone.
  const together = four.filter(
    (one) => one.startMs > 2.2 * LEVEL_MS && endMs(one) < 3 * LEVEL_MS - JOINED_MS,
  );
  const togetherMs = median(together.map(({ latencyMs }) => latencyMs));
  const second = [single, batches, four].map((some) =>
    Math.min(...some.map(({ startMs }) => startMs).filter((ms) => ms > LEVEL_MS - JOINED_MS)),
  );
  const variance = meanOf(detectGaps.map((ms) => (ms - detectMs) ** 2));
  return {
    detectMs,
    plateMs,
    recheckMs,
    detectMarginal: (threeMs / detectMs - 1) / 2,
    plateMarginal: (plateThreeMs / plateMs - 1) / 2,
    cv: Math.sqrt(variance) / detectMs,
    contention: (togetherMs / loneMs - 1) / 3,
    joinEarlyMs: LEVEL_MS - meanOf(second),
  };
}

function endMs({ startMs, latencyMs }: TestRequest): number {
  return startMs + latencyMs;
}

function gapsOf(ascending: readonly number[]): number[] {
  return ascending.slice(1).map((value, i) => value - ascending[i]);
}
