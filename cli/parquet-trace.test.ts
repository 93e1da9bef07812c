/** Traces in Parquet files, written by DuckDB, through the loading of a scenario. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { Fault } from "../engine/basics/fault.ts";
import { parquetText } from "../library/scenario.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { openDatabase } from "../sweep/parquet.ts";
import { loadScenario } from "./scenario-file.ts";

const folder = temporaryFolder("parquet");

const ROWS = `(values
  ('2024-02-28 23:59:59.999999', 100.25, 12, 'a,"b"'),
  ('2024-02-29 00:00:00.500000', 100.25, 7, null),
  ('2024-03-01 00:00:00', 102.5, 0, 'c')) as rows(stamp, seconds, tokens, note)`;

async function write(name: string, query: string): Promise<void> {
  const connection = await openDatabase();
  await connection.run(`copy (${query}) to '${join(folder, name)}' (format parquet)`);
  connection.closeSync();
}

beforeAll(async () => {
  const zoned = "cast(stamp as timestamp)::timestamptz as zoned";
  const times = `cast(stamp as timestamp) as stamp, cast(stamp as timestamp_ns) as nanos, ${zoned}`;
  await write("good.parquet", `select ${times}, seconds, tokens, note from ${ROWS}`);
  await write("back.parquet", "select * from (values (1.0), (3.0), (2.0)) as rows(t)");
  await write("nan.parquet", "select * from (values (1.0::double), ('nan'::double)) as rows(t)");
  await write("null.parquet", "select * from (values (1.0), (null), (2.0)) as rows(t)");
  await write("empty.parquet", "select 1.0 as t where false");
  writeFileSync(join(folder, "text.parquet"), "t\n1\n2\n");
});

async function load(workload: string): Promise<LoadedScenario> {
  const path = join(folder, "s.yaml");
  const scaled = workload.includes("sizeColumn") ? ", inputScaling: { reference: 10 }" : "";
  const service = "service: { distribution: exponential, meanMs: 10 }";
  writeFileSync(
    path,
    [
      "name: traced",
      "pipelines: { p: { tasks: { serve: { model: m } } } }",
      `models: { m: { ${service}${scaled} } }`,
      "cluster: { replicas: { serve: 2 } }",
      `workload: { arrivals: trace, ${workload} }`,
    ].join("\n"),
  );
  return loadScenario({ scenario: path, set: [] });
}

async function issueOf(workload: string): Promise<Fault["issues"][number]> {
  try {
    await load(workload);
  } catch (error) {
    if (error instanceof Fault && error.issues.length === 1) return error.issues[0];
    throw error;
  }
  throw new Error("no issue");
}

describe("a Parquet trace", () => {
  test.each(["stamp", "nanos", "zoned"])(
    "has its times to the microsecond, from column %s",
    async (column) => {
      const { traces } = await load(`file: good.parquet, column: ${column}`);
      expect(traces["good.parquet"]).toEqual([0, 500_001, 86_400_000_001]);
    },
  );

  test("may count seconds, and have sizes", async () => {
    const { traces, traceColumns } = await load(
      "file: good.parquet, column: seconds, sizeColumn: tokens",
    );
    expect(traces["good.parquet"]).toEqual([0, 0, 2_250_000]);
    expect(traceColumns?.["good.parquet"]).toEqual({ tokens: [12, 7, 0] });
  });

  test.each([
    ["time that runs back", "back.parquet", /^row 3 of .*back\.parquet: time runs back: 2\.0/],
    ["no time in a row", "null.parquet", /^row 2 of .*null\.parquet: expected a time .*got "null"/],
    ["NaN", "nan.parquet", /^row 2 of .*nan\.parquet: expected a time .*got "nan"/],
  ])("with %s is refused, with its row", async (_sentence, file, message) => {
    const issue = await issueOf(`file: ${file}, column: t`);
    expect(issue.message).toMatch(message);
    expect(issue).toMatchObject({ path: "workload.file", line: 5 });
  });

  test("without rows, without the column, without Parquet inside, or without a file is refused", async () => {
    const messages: string[] = [];
    const lines: (number | undefined)[] = [];
    for (const [file, column] of [
      ["empty", "t"],
      ["good", "stmp"],
      ["text", "t"],
      ["gone", "t"],
    ]) {
      const {
        message,
        hint = "",
        line,
      } = await issueOf(`file: ${file}.parquet, column: ${column}`);
      messages.push(`${message} | ${hint}`);
      lines.push(line);
    }
    expect(messages[0]).toMatch(/^\S*empty\.parquet has no rows \| $/);
    expect(messages[1]).toMatch(/^no column "stmp" in \S*good\.parquet .*did you mean "stamp"/);
    expect(messages[2]).toMatch(/cannot read the file .*text\.parquet \(/);
    expect(messages[3]).toMatch(/cannot read the file .*gone\.parquet/);
    // Where the scenario names them.
    expect(lines).toEqual([5, 5, 5, 5]);
  });

  test("becomes CSV cell by cell, with commas, quotes and nothing in them", async () => {
    const text = await parquetText(join(folder, "good.parquet"), ["note", "tokens"]);
    expect(text.split("\n")).toEqual(["note,tokens", '"a,""b""",12', "null,7", "c,0"]);
  });
});
