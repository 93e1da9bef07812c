import { describe, expect, it } from "vitest";
import { Recovery } from "./faults.ts";

const up = new Map([
  ["a", "up"],
  ["b", "up"],
]);
const withoutA = new Map([
  ["a", "down"],
  ["b", "up"],
]);

function struck(kind: "kill" | "slow" | "restart", target: string, atMs: number, lastsMs = 0) {
  return { kind, target, atMs, lastsMs };
}

describe("the recovery from a fault", () => {
  it("is timed from the fault to the gateway's noticing it, and to the replica's being up again", () => {
    const recovery = new Recovery();
    recovery.strike(struck("kill", "a", 1000));
    recovery.look(up, 1050);
    recovery.look(withoutA, 1100);
    recovery.look(withoutA, 1500);
    recovery.look(up, 2200);
    recovery.look(withoutA, 9000);
    const [fault] = recovery.faults;
    expect(fault).toMatchObject({ end: "back", noticedMs: 100, backMs: 1200 });
  });

  it("is not taken from what a later fault does to the same replica", () => {
    const recovery = new Recovery();
    recovery.strike(struck("slow", "a", 1000, 2000));
    recovery.look(up, 5400);
    expect(recovery.faults[0].end).toBe("open");
    recovery.strike(struck("kill", "a", 5450));
    recovery.look(withoutA, 5500);
    recovery.look(up, 7000);
    expect(recovery.faults[0]).toMatchObject({ end: "unnoticed", noticedMs: null, backMs: null });
    expect(recovery.faults[1]).toMatchObject({ end: "back", noticedMs: 50, backMs: 1550 });
  });

  it("has an end where nobody noticed the fault", () => {
    const recovery = new Recovery();
    recovery.strike(struck("slow", "a", 1000, 2000));
    recovery.look(up, 5600);
    recovery.look(withoutA, 5700);
    expect(recovery.faults[0]).toMatchObject({ end: "unnoticed", noticedMs: null });
  });

  it("is not known where the next fault came before it", () => {
    const recovery = new Recovery();
    recovery.strike(struck("kill", "a", 1000));
    recovery.look(withoutA, 1100);
    recovery.strike(struck("kill", "a", 2000));
    recovery.strike(struck("kill", "b", 2100));
    recovery.look(withoutA, 2200);
    recovery.look(up, 3000);
    const ends = recovery.faults.map(({ end, backMs }) => [end, backMs]);
    expect(ends).toEqual([
      ["overtaken", null],
      ["back", 1000],
      ["open", null],
    ]);
  });

  it("of a gateway is its first replica's; a replica that was up before is not down by it", () => {
    const recovery = new Recovery();
    recovery.strike(struck("slow", "a", 900, 500));
    recovery.strike(struck("restart", "gateway", 1000));
    recovery.look(null, 1100);
    recovery.look(new Map([["a", "down"]]), 1400);
    recovery.look(up, 1700);
    expect(recovery.faults[0]).toMatchObject({ end: "unnoticed" });
    expect(recovery.faults[1]).toMatchObject({ end: "back", noticedMs: 100, backMs: 700 });
  });
});
