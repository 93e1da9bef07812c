import { describe, expect, test } from "vitest";
import { RandomStream } from "../random/stream.ts";
import { driftingMean } from "./drifting-mean.ts";

function normal(stream: RandomStream): number {
  const block = new Float64Array(1);
  stream.fillNormal(block);
  return block[0];
}

/** Rounds so many seconds apart on a host whose pace is AR(1). */
function roundsOf(
  stream: RandomStream,
  rounds: number,
  apartS: number,
  drift: number,
  tauS: number,
) {
  const kept = Math.exp(-apartS / tauS);
  let pace = drift * normal(stream);
  return Array.from({ length: rounds }, (_, i) => {
    const value = 20_000 * Math.exp(pace + 0.01 * normal(stream));
    pace = kept * pace + drift * Math.sqrt(1 - kept * kept) * normal(stream);
    return { atS: i * apartS, value };
  });
}

describe("driftingMean", () => {
  test.each([
    [6, 7],
    [12, 8],
    [30, 4],
  ])("holds the long-run mean in 92 to 98% of %d rounds, %d s apart", (rounds, apartS) => {
    const stream = new RandomStream("drifting-mean", "test");
    const trials = 600;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      const [drift, tauS] = [0.02 + 0.03 * stream.uniform(), 20 + 100 * stream.uniform()];
      const { mean, logDeviation } = driftingMean(roundsOf(stream, rounds, apartS, drift, tauS));
      if (Math.abs(Math.log(mean / 20_000)) <= 1.96 * logDeviation) held++;
    }
    expect(held / trials).toBeGreaterThan(0.9);
    expect(held / trials).toBeLessThan(0.98);
  });

  test("more rounds are known better, but no better than a slow drift allows", () => {
    const stream = new RandomStream("drifting-mean", "rounds");
    const widthOf = (rounds: number, apartS: number) =>
      driftingMean(roundsOf(stream, rounds, apartS, 0, 60)).relativeHalfWidth95;
    const [short, long] = [widthOf(5, 8), widthOf(60, 8)];
    expect(long).toBeLessThan(short);
    expect(long).toBeLessThan(0.02);
    expect(widthOf(60, 0.1), "sixty rounds in six seconds").toBeGreaterThan(0.03);
  });

  test("fewer than three rounds tell nothing of their spread", () => {
    const rounds = [1, 2].map((value, atS) => ({ atS, value }));
    expect(driftingMean(rounds)).toEqual({
      mean: expect.closeTo(Math.SQRT2, 9),
      logDeviation: Number.POSITIVE_INFINITY,
      relativeHalfWidth95: Number.POSITIVE_INFINITY,
    });
  });
});
