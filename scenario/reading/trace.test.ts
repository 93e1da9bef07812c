import { describe, expect, test } from "vitest";
import { Fault } from "../../engine/basics/fault.ts";
import { parseScenario } from "../parse.ts";
import { SCENARIO_TEMPLATE } from "../template.test-support.ts";
import { parseTimeUs, readTrace } from "./trace.ts";

const SIZES = { name: "tokens", at: "workload.sizeColumn", kind: "size" } as const;

describe("traces of arrivals", () => {
  test("of seconds start at 0, whatever their zero", () => {
    const { arrivalsUs } = readTrace("id,at\n1,100.5\n2,100.5\n\n3,102.000001\n", "t.csv", {
      column: "at",
    });
    expect(arrivalsUs).toEqual([0, 0, 1_500_001]);
  });

  test("of dates keep microseconds, across days, leap days and time zones", () => {
    const text = [
      "TIMESTAMP,tokens",
      "2024-02-28 23:59:59.9999990,3",
      "2024-02-29T00:00:00.5Z,4",
      '"2024-03-01T01:00:00+01:00",5',
    ].join("\r\n");
    const { arrivalsUs, issues } = readTrace(text, "t.csv", { column: "TIMESTAMP" });
    expect(issues).toEqual([]);
    expect(arrivalsUs).toEqual([0, 500_001, 86_400_000_001]);
  });

  test("dates count from 1970 as the calendar does", () => {
    expect(parseTimeUs("1970-01-01T00:00:00Z")).toBe(0);
    expect(parseTimeUs("2023-11-16 18:17:03.979960")).toBe(1_700_158_623_979_960);
    expect(parseTimeUs("2023-13-01")).toBeUndefined();
    expect(parseTimeUs("2023-02-29")).toBeUndefined();
    expect(parseTimeUs("2024-04-31")).toBeUndefined();
    expect(parseTimeUs("soon")).toBeUndefined();
  });

  test.each([
    ["no such column", "id,at\n1,2\n", "att", 1, /no column "att"/],
    ["a cell that is no time", "at\n1\nNaN\n", "at", 3, /expected a time .*got "NaN"/],
    ["a row that is too short", "id,at\n1,1\n2\n", "at", 3, /expected a time .*got nothing/],
    ["time that runs back", "at\n5\n4\n6\n", "at", 3, /time runs back: 4/],
    [
      "a time beyond the clock",
      "at\n1\n1e300\n",
      "at",
      3,
      /within 1000000000 s of the first, got 1e300/,
    ],
    ["a quoted cell cut short", 'at,x\n1,"a\n', "at", 2, /quoted cell has no end/],
    ["a quoted name cut short", 'at,"x\n1,2\n', "at", 1, /quoted cell has no end/],
    ["two columns of one name", "at,at\n1,2\n", "at", 1, /2 columns are called "at"/],
    ["nothing at all", "", "at", 1, /the file is empty/],
    ["no rows", "at\n\n", "at", 1, /no rows/],
  ])("%s is an issue with its line", (_sentence, text, column, line, message) => {
    const { issues, arrivalsUs } = readTrace(text, "t.csv", { column });
    expect(arrivalsUs).toEqual([]);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ file: "t.csv", line });
    expect(issues[0]?.message).toMatch(message);
  });

  const column = (cells: readonly unknown[]): string => `at\n${cells.join("\n")}\n`;
  /** Every 125 ms, from an instant of 2024. */
  const every125 = Array.from({ length: 20 }, (_, i) => 1_704_132_000 + i / 8);

  test.each([
    ["s", 1],
    ["ms", 1e3],
    ["us", 1e6],
    ["ns", 1e9],
  ] as const)("of numbers in %s are read by that unit", (unit, perS) => {
    const text = column(every125.map((s) => s * perS));
    const { arrivalsUs, issues } = readTrace(text, "t.csv", { column: "at", unit });
    expect(issues).toEqual([]);
    arrivalsUs.forEach((us, i) => {
      // A double of nanoseconds since 1970 has steps of 256.
      expect(Math.abs(us - i * 125_000)).toBeLessThanOrEqual(1);
    });
  });

  test.each([
    ["milliseconds since 1970", 1e3, "ms"],
    ["microseconds since 1970", 1e6, "us"],
    ["nanoseconds since 1970", 1e9, "ns"],
  ])("of %s are not read as seconds unless that is said", (_, perS, unit) => {
    const text = column(["", ...every125.map((s) => s * perS)]);
    const { issues, arrivalsUs } = readTrace(text, "t.csv", { column: "at" });
    expect(arrivalsUs).toEqual([]);
    expect(issues).toMatchObject([{ path: "workload.file", file: "t.csv", line: 3 }]);
    expect(issues[0].message).toMatch(/lies beyond the year 5000/);
    expect(issues[0].hint).toContain(`\`unit: ${unit}\``);
  });

  test("of milliseconds from any zero are not either, as their gaps are too long", () => {
    const text = column(every125.map((s) => (s - every125[0]) * 1000));
    const { issues } = readTrace(text, "t.csv", { column: "at" });
    expect(issues[0].message).toMatch(/half of the gaps between arrivals are 125 s or longer/);
    expect(issues[0].hint).toMatch(/`unit: ms` .*`unit: s`/);
    const known = [{ unit: "ms" }, { unit: "s" }, { scale: 0.001 }] as const;
    for (const one of known) {
      expect(readTrace(text, "t.csv", { column: "at", ...one }).issues).toEqual([]);
    }
  });

  test("of seconds with a long silence, of few arrivals and of dates far apart are sound", () => {
    const silent = [...every125, ...every125.map((s) => s + 86_400)];
    const dates = Array.from({ length: 20 }, (_, i) => `2024-01-${String(i + 1).padStart(2, "0")}`);
    for (const cells of [silent, [0, 500, 1000], dates]) {
      expect(readTrace(column(cells), "t.csv", { column: "at" }).issues).toEqual([]);
    }
  });

  test("may have a column of input sizes", () => {
    const text = 'at,tokens\n0,12\n1,0\n2,"3.5"\n';
    const { columns, issues } = readTrace(text, "t.csv", { column: "at" }, [SIZES]);
    expect([columns, issues]).toEqual([{ tokens: [12, 0, 3.5] }, []]);
    expect(readTrace(text, "t.csv", { column: "at" }).columns).toEqual({});
  });

  test.each(["-1", "NaN", "", "many", "Infinity"])("an input size of %j is an issue", (cell) => {
    const { issues } = readTrace(`at,tokens\n0,12\n1,${cell}\n`, "t.csv", { column: "at" }, [
      SIZES,
    ]);
    expect(issues).toMatchObject([{ file: "t.csv", line: 3 }]);
    expect(issues[0]?.message).toMatch(/expected an input size from 0 up, got /);
  });

  test("may have lengths of prompts, and numbers of what they begin with", () => {
    const wanted = [
      { ...SIZES, kind: "tokens" },
      { name: "parts", at: "p", kind: "numbers" },
    ] as const;
    const read = (rows: string) =>
      readTrace(`at,tokens,parts\n${rows}\n`, "t.csv", { column: "at" }, wanted);
    expect(read("0,12,3 40\n1,1,").columns).toEqual({ tokens: [12, 1], parts: [[3, 40], []] });
    for (const [row, message] of [
      ["1,0,7", /expected a number of tokens from 1 up, got "0"/],
      ["1,9,7 -1", /expected whole numbers from 0 to 268435455 with spaces between, got "7 -1"/],
      ["1,9,1.5", /expected whole numbers/],
    ] as const) {
      const [issue] = read(`0,12,3\n${row}`).issues;
      expect(issue).toMatchObject({ file: "t.csv", line: 3 });
      expect(issue.message).toMatch(message);
    }
  });

  test("each wrong row of a file is reported, up to ten", () => {
    const rows = Array.from({ length: 30 }, (_, i) => `${30 - i}`).join("\n");
    const { issues } = readTrace(`at\n${rows}\n`, "t.csv", { column: "at" });
    expect(issues.map(({ line }) => line)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test.each([
    ["t.csv", /^5000001 lines; a trace may have 5000000$/],
    ["t.parquet", /^row 5000000 of t\.parquet: a trace may have 4999999 rows$/],
  ])("more rows than a trace may have are refused, in %s", (file, message) => {
    const { issues } = readTrace(`at${"\n1".repeat(5_000_000)}`, file, { column: "at" });
    expect(issues.map((issue) => issue.message)).toEqual([expect.stringMatching(message)]);
  });

  test("a column name with a slip is answered with the nearest", () => {
    expect(readTrace("id,arrival\n", "t", { column: "arival" }).issues[0]?.hint).toContain(
      '"arrival"',
    );
  });
});

describe("a scenario that replays a trace", () => {
  const text = SCENARIO_TEMPLATE.replace(/^workload:[\s\S]*/m, "");
  const load = (workload: string, csv = "at\n0\n1\n2\n") =>
    parseScenario(`${text}workload: ${workload}\n`, "s/x.yaml", (path) => {
      if (path === "s/t.csv") return csv;
      throw new Error("ENOENT");
    });

  test("holds its arrivals by the file's path", () => {
    const loaded = load("{ arrivals: trace, file: t.csv, column: at }");
    expect(loaded.traces["t.csv"]).toEqual([0, 1e6, 2e6]);
  });

  test("may not read one file by two units", () => {
    const sweep = "sweep: { workload.unit: [s, ms] }";
    const workload = "{ arrivals: trace, file: t.csv, column: at, unit: s }";
    expect(() => load(`${workload}\n${sweep}`)).toThrow(
      expect.objectContaining({
        issues: expect.arrayContaining([expect.objectContaining({ path: "workload.unit" })]),
      }),
    );
  });

  test("may not ask for more requests than the trace has, nor for a file that is not there", () => {
    const workloads = [
      "{ arrivals: trace, file: t.csv, column: at, requests: 4 }",
      "{ arrivals: trace, file: u.csv, column: at }",
    ];
    const messages = workloads.map((workload) => {
      try {
        load(workload);
      } catch (error) {
        return error instanceof Fault ? error.issues[0]?.message : error;
      }
      return "no fault";
    });
    expect(messages).toEqual(["the trace holds 3 arrivals, got 4", "cannot read the file s/u.csv"]);
  });
});
