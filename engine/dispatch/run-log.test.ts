import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Fault } from "../basics/fault.ts";
import { RunLog } from "./run-log.ts";

function faultOf(text: string): Fault {
  try {
    RunLog.parse(text);
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  return expect.fail("the text was taken for a log");
}

describe("a run log", () => {
  test("is the same after it was written and read", () => {
    const whole = fc.maxSafeInteger();
    const entry = fc.oneof(
      fc.tuple(fc.constant("finish" as const), whole, whole),
      fc.tuple(fc.constant("decide" as const), whole),
      fc.tuple(fc.constant("start" as const), whole, whole, whole, whole),
      fc.tuple(fc.constant("arrive" as const), whole, whole, whole, whole),
      fc.tuple(fc.constant("solved" as const), whole, whole),
      fc.tuple(fc.constant("solved" as const), whole, whole, whole, whole),
    );
    fc.assert(
      fc.property(fc.array(entry), (entries) => {
        const log = new RunLog();
        for (const [kind, ...numbers] of entries) log.add(kind, ...numbers);
        const read = RunLog.parse(log.toJsonLines());
        expect(read.entries).toEqual(log.entries);
      }),
    );
  });

  test.each([
    ["no JSON", "start 1 2"],
    ["an object", '{"kind":"start"}'],
    ["an unknown kind", '["stop",1,2]'],
    ["a name that every object has", '["toString",1]'],
    ["a number too few", '["finish",1]'],
    ["a number too many", '["finish",1,2,3]'],
    ["a start without a job", '["start",1,2]'],
    ["a solution without its instant", '["solved",1]'],
    ["a fraction", '["decide",1.5]'],
    ["a text for a number", '["decide","1"]'],
    ["null", "null"],
    ["a torn line", '["arrive",1,0,1'],
  ])("with %s in line 3 is rejected with that line", (_, line) => {
    const fault = faultOf(`["decide",0]\n["join",0,0]\n${line}\n["decide",1]\n`);
    expect(fault.code).toBe("invalid-input");
    expect(fault.message).toMatch(/^line 3 /);
    expect(fault.message).toContain(line);
  });
});
