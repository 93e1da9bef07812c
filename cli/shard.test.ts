/** Shards of a sweep, run one by one in any order, gather to the bytes of the sweep. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { cases, IS_LONG } from "../checks/support/test-form.test-support.ts";
import { checkedOptions } from "../library/option.ts";
import { agreed } from "../library/shards.ts";
import { prepareSweep } from "../library/sweep.ts";
import { ShardFolder } from "../sweep/shards/shard-folder.ts";
import { runShard } from "../sweep/shards/shard-work.ts";
import { SCENARIO, SIMULATE } from "./options.ts";
import { askedShard, askedSweep } from "./simulate.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const COUNT = 12;
const folder = temporaryFolder("shard");
const tandem = (...words: readonly string[]) => tandemHere(folder, words);

beforeAll(async () => {
  writeFileSync(
    join(folder, "s.yaml"),
    `name: s
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
pipelines: { p: { tasks: { t: { model: m } } } }
cluster: { replicas: { t: 2 } }
workload: { arrivals: poisson, ratePerS: 100, requests: 100 }
run: { replications: 2, seed: 1 }
sweep: { workload.ratePerS: { from: 61, to: 66, step: 1 }, scheduler: [fifo, random] }
`,
  );
  expect((await tandem("simulate", "s.yaml", "--out", "plain", "--workers", "1")).code).toBe(0);
});

/** Every file of results, to the byte. */
function bytesOf(out: string): Readonly<Record<string, string>> {
  const names = readdirSync(join(folder, out)).filter((name) => /\.(jsonl?|parquet)$/.test(name));
  // It has the date.
  const own = names.filter((name) => !["manifest.json", "provenance.json"].includes(name));
  return Object.fromEntries(
    own.map((name) => [name, readFileSync(join(folder, out, name), "base64")]),
  );
}

test("any partition into shards, run in any order and some twice, gathers to the same bytes", async () => {
  const plain = bytesOf("plain");
  expect(Object.keys(plain)).toContain("configurations.parquet");
  const inner = fc.uniqueArray(fc.integer({ min: 1, max: COUNT - 1 }));
  const cuts = inner.map((all) => [0, ...all.sort((a, b) => a - b), COUNT]);
  const orders = cuts.chain((starts) => {
    const shards = starts.slice(1).map((_, i) => i);
    const order = fc.shuffledSubarray(shards, { minLength: shards.length });
    return fc.record({ starts: fc.constant(starts), order, again: fc.subarray(shards) });
  });
  let number = 0;
  const property = fc.asyncProperty(orders, async ({ starts, order, again }) => {
    const out = `cut-${number++}`;
    await inShards(out, starts, [...order, ...again]);
    expect((await tandem("gather", out)).code).toBe(0);
    expect(bytesOf(out)).toEqual(plain);
  });
  await fc.assert(property, { numRuns: cases(20) });
});

/** Runs shards of a cut that no option gives. */
async function inShards(
  out: string,
  starts: readonly number[],
  order: readonly number[],
): Promise<void> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    const given = { scenario: "s.yaml", directory: out };
    const { loaded, options } = await askedSweep(
      checkedOptions({ ...SCENARIO, ...SIMULATE }, given),
    );
    const prepared = prepareSweep(loaded, options);
    const shared = new ShardFolder(out);
    const manifest = { ...agreed(shared, loaded, options, prepared, starts.length - 1), starts };
    writeFileSync(shared.path("manifest.json"), JSON.stringify(manifest));
    const { signal } = new AbortController();
    for (const shard of order) {
      await runShard({ folder: shared, manifest, shard, plan: prepared.plan, threads: 1, signal });
    }
  } finally {
    process.chdir(before);
  }
}

if (IS_LONG) {
  test("one shard and 500 shards gather to the same bytes", async () => {
    const sweep =
      "sweep={workload.ratePerS: {from: 50, to: 174.5, step: 0.5}, scheduler: [fifo, random]}";
    const words = ["simulate", "s.yaml", "--set", sweep];
    await tandem(...words, "--out", "plain-500", "--workers", "1");
    const plain = bytesOf("plain-500");
    for (const shards of [1, 500]) {
      const out = `in-${shards}`;
      for (let shard = 0; shard < shards; shard++) {
        const { code, stderr } = await tandem(
          ...words,
          "--out",
          out,
          "--shard",
          `${shard}/${shards}`,
        );
        expect(code, stderr).toBe(0);
      }
      expect((await tandem("gather", out)).code).toBe(0);
      expect(bytesOf(out)).toEqual(plain);
    }
  });
}

test("shards leave a record each, and only a whole sweep is gathered", async () => {
  const words = ["simulate", "s.yaml", "--out", "three", "--requests"];
  expect((await tandem(...words, "--shard", "2/3")).code).toBe(0);
  const first = await tandem(...words, "--shard", "0/3", "--json");
  expect(JSON.parse(first.stdout)).toMatchObject({
    schema: "tandem/shard@1",
    shard: 0,
    first: 0,
    end: 4,
    digest: expect.stringMatching(/^[\da-f]{64}$/),
    host: expect.any(String),
  });
  const early = await tandem("gather", "three");
  expect(early.code).toBe(4);
  expect(early.stderr).toContain("1 of 3 shards missing: 1");
  const status = await tandem("sweep", "status", "three");
  expect(status.stdout).toMatch(/^2 of 3 shards finished \(8 of 12 configurations\), 0 failed/);
  expect((await tandem(...words, "--shard", "1/3")).code).toBe(0);
  expect((await tandem("gather", "three")).code).toBe(0);
  expect(bytesOf("three")).toEqual(bytesOf("plain"));
  const requests = await tandem("query", "three", "select count(*) as n from requests", "--json");
  expect(requests.stdout).toContain(`${COUNT * 2 * 100}`);
  const left = readdirSync(join(folder, "three", "shards"));
  expect(left.filter((name) => !/^\d\.jsonl?$/.test(name))).toEqual([]);
});

test("an inventory of this machine runs what is missing, and gathers", async () => {
  writeFileSync(join(folder, "local.yaml"), "kind: local\nthrottle: 1\n");
  const words = ["simulate", "s.yaml", "--out", "here", "--on", "local.yaml", "--shards", "3"];
  const detached = await tandem(...words, "--detach");
  expect([detached.code, detached.stderr]).toEqual([2, expect.stringContaining("no queue")]);
  expect((await tandem("simulate", "s.yaml", "--out", "here", "--shard", "1/3")).code).toBe(0);
  const { code, stderr } = await tandem(...words);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("shards: 3/3");
  expect(bytesOf("here")).toEqual(bytesOf("plain"));
});

describe("a shard is refused", () => {
  test("in a folder of another sweep, and leaves a note that is no reason to try again", async () => {
    await tandem("simulate", "s.yaml", "--out", "other", "--shard", "0/2");
    const words = ["simulate", "s.yaml", "--out", "other", "--shard", "1/2", "--seed", "9"];
    const { code, stderr } = await tandem(...words);
    expect(code).toBe(2);
    expect(stderr).toContain("holds shards of another scenario, seed");
    const gathered = await tandem("gather", "other");
    expect(gathered.code).toBe(2);
    expect(gathered.stderr).toMatch(/shard 1: exit code 2 on \S+: .*holds shards of another/);
    const status = await tandem("sweep", "status", "other", "--json");
    expect(JSON.parse(status.stdout)).toMatchObject({ finished: 1, failed: 1, engine: null });
  });

  test("where a finished one has changed on the disk", async () => {
    await tandem("simulate", "s.yaml", "--out", "torn", "--shard", "0/1");
    writeFileSync(join(folder, "torn", "shards", "0.jsonl"), "{}\n");
    const { code, stderr } = await tandem("gather", "torn");
    expect(code).toBe(4);
    expect(stderr).toContain("0.jsonl is not the file that");
  });

  test("without a folder, and in more shards than configurations", async () => {
    expect((await tandem("simulate", "s.yaml", "--shard", "0/2")).stderr).toContain("--out DIR");
    const many = await tandem("simulate", "s.yaml", "--out", "many", "--shard", "0/13");
    expect(many.stderr).toContain("13 shards of 12 configurations");
    writeFileSync(join(folder, "here.yaml"), "kind: local\n");
    for (const shards of ["0", "13"]) {
      const on = ["simulate", "s.yaml", "--out", "on", "--on", "here.yaml", "--shards", shards];
      const { code, stderr } = await tandem(...on);
      expect([code, stderr.split("\n")[0]]).toEqual([
        2,
        `tandem: ${shards} shards of 12 configurations`,
      ]);
    }
  });
});

describe("the index of a shard", () => {
  test("is that of the option, of an array's task, or of an indexed pod", () => {
    expect(askedShard({ shard: "3/8" }, {})).toEqual({ shard: 3, shards: 8 });
    const slurm = { SLURM_ARRAY_TASK_ID: "5" };
    expect(askedShard({ shard: "8" }, slurm)).toEqual({ shard: 5, shards: 8 });
    expect(askedShard({ shard: "3/8" }, slurm)).toEqual({ shard: 3, shards: 8 });
    expect(askedShard({ shard: "8" }, { JOB_COMPLETION_INDEX: "7" }).shard).toBe(7);
  });

  test("selects one of a list", () => {
    const asked = { shard: "2000", shardList: "3,1000-1002,1999" };
    const at = (index: number) => askedShard(asked, { SLURM_ARRAY_TASK_ID: String(index) }).shard;
    expect([0, 1, 2, 3, 4].map(at)).toEqual([3, 1000, 1001, 1002, 1999]);
    expect(() => at(5)).toThrow("no shard 5 (from SLURM_ARRAY_TASK_ID) of 5");
  });

  test.each([
    ["8", "no SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX"],
    ["8/8", "no shard 8 of 8"],
    ["a", "expected i/N or N"],
    ["1/0", "no shard 1 of 0"],
  ])("%s outside an array is refused", (shard, message) => {
    expect(() => askedShard({ shard }, {})).toThrow(message);
  });
});
