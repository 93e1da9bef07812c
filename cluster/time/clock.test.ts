import { afterAll, describe, expect, it } from "vitest";
import { monotonicUs, PreciseTimer } from "./clock.ts";

describe("PreciseTimer", () => {
  const timer = new PreciseTimer();
  afterAll(() => timer.close());

  it("never rings before its time, whatever the fraction of a millisecond", async () => {
    const startUs = monotonicUs();
    const waits = Array.from({ length: 40 }, (_, i) => 100 + i * 733);
    const rung = await Promise.all(waits.map((us) => timer.until(startUs + us)));
    for (const [i, atUs] of rung.entries()) {
      expect(atUs).toBeGreaterThanOrEqual(startUs + waits[i]);
    }
  });

  it("rings in the order of the times, not of the setting", async () => {
    const startUs = monotonicUs();
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      for (const ms of [30, 10, 20, 0]) {
        timer.set(startUs + ms * 1000 + 2000, () => {
          order.push(ms);
          if (order.length === 4) resolve();
        });
      }
    });
    expect(order).toEqual([0, 10, 20, 30]);
  });

  it("does not ring after a cancel", async () => {
    const rung: string[] = [];
    const id = timer.set(monotonicUs() + 5000, () => rung.push("cancelled"));
    timer.cancel(id);
    await timer.until(monotonicUs() + 15_000);
    expect(rung).toEqual([]);
  });
});
