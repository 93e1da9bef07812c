import { describe, expect, it } from "vitest";
import { soak } from "./soak.ts";

describe("a soak", () => {
  it("of a few faults of every kind loses nothing", async () => {
    const result = await soak({
      seconds: 20,
      ratePerS: 25,
      workers: 8,
      seed: "test",
      kinds: ["kill", "stop", "slow", "memory", "cut", "restart"],
    });
    for (const reason of result.skipped) process.stdout.write(`soak without: ${reason}\n`);
    expect(result.faults.length).toBeGreaterThan(10);
    expect(result.calls).toBe(500);
    expect(result.reasons).toEqual([]);
    expect(result).toMatchObject({ refused: 0, lost: 0, answeredTwice: 0, wrong: 0, notBack: [] });
  }, 240_000);
});
