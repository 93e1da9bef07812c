/** SQL over a sweep's results: the same rows before and after it is finished, and nothing else. */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Fault } from "../engine/basics/fault.ts";
import type { ResultsDocument } from "../results/documents.ts";
import { Workplace } from "./command-line.test-support.ts";
import { SUMMARY_TABLES } from "./parquet.ts";
import { type Cell, openQuery } from "./query.ts";

const SCENARIO = {
  name: "asked",
  pipelines: {
    p: { tasks: { first: { model: "server" }, second: { model: "server", after: ["first"] } } },
    q: { tasks: { first: { model: "server" } } },
  },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { first: 2, second: 2 } },
  workload: { arrivals: "poisson", ratePerS: 50, requests: 200 },
  run: { seed: 1, replications: 3 },
  sweep: {
    scheduler: ["fifo", { routing: "random" }],
    "cluster.replicas.first": [1, 2],
  },
};

describe("a sweep's results", () => {
  let workplace: Workplace;
  let folder: string;
  let document: ResultsDocument;

  beforeAll(async () => {
    workplace = new Workplace(SCENARIO);
    folder = join(workplace.folder, "out");
    const { code } = await workplace.simulate(["--out", "out"]);
    expect(code).toBe(0);
    document = JSON.parse(workplace.read("out/results.json")) as ResultsDocument;
  });
  afterAll(() => workplace.remove());

  async function rows(sql?: string, from = folder): Promise<readonly (readonly Cell[])[]> {
    const { blocks, close } = await openQuery(from, sql);
    const all: (readonly Cell[])[] = [];
    for await (const block of blocks) all.push(...block);
    close();
    return all;
  }

  const fault = (sql: string): Promise<Fault> =>
    rows(sql).then(
      () => expect.unreachable(sql),
      (error: unknown) => {
        expect(error).toBeInstanceOf(Fault);
        return error as Fault;
      },
    );

  test("are the document's, to the last digit, a configuration a row", async () => {
    const table = await rows(
      `select id, "cluster.replicas.first", scheduler, requests, latencyP99Ms,
        latencyP99MsHalfWidth95, energyJoulesPerRequest, digest from configurations`,
    );
    expect(table).toEqual(
      document.configurations.map(({ id, parameters, requests, metrics, digest }) => [
        id,
        parameters["cluster.replicas.first"],
        parameters.scheduler,
        requests,
        metrics.latencyP99Ms?.mean,
        metrics.latencyP99Ms?.halfWidth95,
        null,
        digest,
      ]),
    );
  });

  test("have every estimate as a row of its own", async () => {
    const wait = await rows(
      "select id, mean from tasks where task = 'second' and metric = 'queueWaitMeanMs'",
    );
    expect(wait).toEqual(
      document.configurations.map(({ id, tasks }) => [id, tasks.second.queueWaitMeanMs.mean]),
    );
    const ofPipeline = await rows(
      "select id, mean from pipelines where pipeline = 'q' and metric = 'latencyMeanMs'",
    );
    expect(ofPipeline).toEqual(
      document.configurations.map(({ id, pipelines }) => [id, pipelines?.q.latencyMeanMs.mean]),
    );
    const [[count]] = await rows("select count(*) from metrics");
    expect(count).toBe(
      document.configurations.reduce((sum, { metrics }) => sum + Object.keys(metrics).length, 0),
    );
  });

  test("have each replication, whose mean is the estimate", async () => {
    const means = await rows(
      "select configuration, count(*), avg(latencyMeanMs) from replications group by 1 order by 1",
    );
    expect(means).toHaveLength(4);
    for (const [configuration, count, mean] of means) {
      expect(count).toBe(3);
      const expected = document.configurations[Number(configuration)].metrics.latencyMeanMs?.mean;
      expect(mean).toBeCloseTo(expected ?? Number.NaN, 9);
    }
  });

  test("are the same from the store of a sweep that is not finished", async () => {
    const all = () =>
      Promise.all(SUMMARY_TABLES.map((table) => rows(`from ${table} order by all`)));
    const finished = await all();
    for (const table of SUMMARY_TABLES) rmSync(join(folder, `${table}.parquet`));
    try {
      expect((await openQuery(folder, "select 1")).partial).toBe(true);
      expect(await all()).toEqual(finished);
    } finally {
      expect((await workplace.simulate(["--out", "out"])).code).toBe(0);
    }
    expect((await openQuery(folder, "select 1")).partial).toBe(false);
  });

  test("have each request when they are asked for, which changes nothing else", async () => {
    await expect(rows("from requests")).rejects.toMatchObject({
      hint: expect.stringContaining("--requests"),
    });
    const before = await rows("from replications");
    const { code, stderr } = await workplace.simulate(["--out", "out", "--requests"]);
    expect(code).toBe(0);
    // They were finished, but without their requests.
    expect(stderr).toContain("simulate: 4/4 · left");
    expect(JSON.parse(workplace.read("out/results.json"))).toEqual(document);
    expect(await rows("from replications")).toEqual(before);
    const gathered = await rows(
      `select configuration, replication, count(*), count(distinct serial), avg(latencyMs),
        quantile_disc(latencyMs, 0.99), max(arrivedMs) > 0, max(pipeline), any_value(outcome)
        from requests group by all order by all`,
    );
    expect(gathered).toHaveLength(12);
    const summaries = await rows(
      "select configuration, replication, latencyMeanMs, latencyP99Ms from replications order by all",
    );
    for (const [i, [configuration, replication, mean, p99]] of summaries.entries()) {
      const close = expect.closeTo(Number(mean), 9);
      const expected = [configuration, replication, 200, 200, close, p99, true, "q", "completed"];
      expect(gathered[i]).toEqual(expected);
    }
    const again = await workplace.simulate(["--out", "out", "--requests"]);
    expect(again.stderr, "nothing is left to run").not.toContain("left");
  });

  test.each([
    ["select latencyP99 from configurations", /"latencyP99Ms"/],
    ["selec 1", /syntax error at or near "selec"/],
    ["select 1; select 2", /one SQL statement, got 2/],
    ["from nothing", /nothing does not exist/],
    ["select 'a'::integer from metrics", /Could not convert string 'a'/],
    [" \n", /the SQL is empty/],
    [" ; ", /the SQL is empty/],
  ])("answer %s with what is wrong", async (sql, message) => {
    expect(await fault(sql)).toMatchObject({
      code: "usage",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    "copy configurations to 'OUT/copy.csv'",
    "from read_csv('/etc/passwd')",
    "from read_text('OUT/results.json')",
    "from read_text('OUT/../scenario.yaml')",
    "from glob('/*')",
    "attach 'OUT/other.db'",
    "create table mine as from metrics",
    "set enable_external_access = true",
    "install httpfs",
    "explain analyze copy (select 1) to 'OUT/copy.csv'",
  ])("refuse %s", async (sql) => {
    await fault(sql.replace("OUT", folder));
    expect(existsSync(join(folder, "copy.csv"))).toBe(false);
    expect(existsSync(join(folder, "other.db"))).toBe(false);
  });

  test("list their tables and columns", async () => {
    const columns = await rows();
    expect(new Set(columns.map(([table]) => table))).toEqual(
      new Set([...SUMMARY_TABLES, "requests"]),
    );
    expect(columns).toContainEqual(["configurations", "cluster.replicas.first", "DOUBLE"]);
    expect(columns).toContainEqual(["tasks", "metric", "VARCHAR"]);
  });

  test("that are damaged are bad input, and come back as the hint says", async () => {
    const damaged = join(folder, "metrics.parquet");
    const good = readFileSync(damaged);
    for (const bad of [Buffer.from("junk"), good.subarray(0, good.length - 100)]) {
      writeFileSync(damaged, bad);
      expect(await fault("from metrics")).toMatchObject({
        code: "invalid-input",
        message: expect.stringContaining(damaged),
        hint: expect.stringContaining("remove the damaged file"),
      });
    }
    rmSync(damaged);
    expect((await rows("from metrics")).length).toBeGreaterThan(0);
    writeFileSync(damaged, good);
  });

  test.each(["out[1]", "o*"])("are those of the folder %s alone", async (name) => {
    const own = join(workplace.folder, name);
    cpSync(folder, own, { recursive: true });
    const counts = "select (select count(*) from requests), (select count(*) from metrics)";
    const all = await rows(counts);
    expect(await rows(counts, own)).toEqual(all);
    rmSync(join(own, "metrics.parquet"));
    expect(await rows(counts, own), "from the store").toEqual(all);
    rmSync(own, { recursive: true });
  });

  test("are not found where there are none", async () => {
    await expect(rows("select 1", join(folder, "nowhere"))).rejects.toMatchObject({
      code: "not-found",
      hint: expect.stringContaining("--out"),
    });
  });

  test.each([
    [["--json"], '[\n{"id":"scheduler=fifo,replicas.first=1","n":3},\n'],
    [["--csv"], 'id,n\n"scheduler=fifo,replicas.first=1",3\n'],
    [[], "id                                         n\n"],
  ])("are printed with %j", async (options, start) => {
    const sql =
      "select id, count(*) n from replications group by id, configuration order by configuration";
    const { code, stdout, stderr } = await workplace.start(["query", "out", sql, ...options]).exit;
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout.slice(0, start.length)).toBe(start);
  });
});
