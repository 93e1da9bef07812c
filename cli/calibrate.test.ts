/** `tandem import` from a file to a simulation. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const folder = temporaryFolder("import");
const tandem = (...words: readonly string[]) => tandemHere(folder, words);

writeFileSync(join(folder, "times.csv"), "size,ms\n1,10\n1,10\n1,10\n");
const IMPORT = ["import", "times.csv", "--columns", "time=ms,batch=size", "--unit", "ms"];

test("an imported profile is simulated, and named as imported", async () => {
  const named = [...IMPORT, "--model", "m", "--device", "gpu", "--out", "profiles/m.json"];
  const { code, stdout } = await tandem(...named);
  expect(code).toBe(0);
  expect(stdout).toContain("m on gpu, from csv\nbatch sizes 1; batch 1 takes 10.00 ms");
  const { provenance } = JSON.parse(readFileSync(join(folder, "profiles/m.json"), "utf8"));
  expect(provenance).toMatchObject({ kind: "imported", model: "m", device: "gpu" });
  expect(provenance.source).toMatch(/^times\.csv, SHA-256 [0-9a-f]{64}$/);
  writeFileSync(
    join(folder, "s.yaml"),
    `name: s
models: { m: { profile: profiles/m.json } }
pipelines: { p: { tasks: { t: { model: m } } } }
cluster: { replicas: { t: 1 } }
workload: { arrivals: deterministic, ratePerS: 10, requests: 100 }
scheduler: fifo
run: { replications: 2 }
`,
  );
  const simulated = await tandem("simulate", "s.yaml", "--json");
  expect(simulated.stderr).toBe("");
  const [{ metrics }] = JSON.parse(simulated.stdout).configurations;
  expect(metrics.latencyMeanMs.mean).toBe(10);
});

test("nothing is written where the file, its names or its columns are wrong", async () => {
  const out = ["--out", "none.json"];
  for (const [words, said] of [
    [[...IMPORT, "--device", "d", ...out], "--model NAME"],
    [["import", "times.csv", ...out], "--columns time=latency"],
    [["import", "times.csv", "--columns", "time=ms", ...out], "--unit"],
    [["import", "none.csv", ...out], "cannot read none.csv: ENOENT"],
    [[...IMPORT, "--model", "m", "--device", "d", "--batch", "0.5", ...out], "--batch"],
    [[...IMPORT, "--model", "m", "--device", "d", "--batch", "1e9", ...out], "up to 1000000"],
    [[...IMPORT, "--model", "m", "--device", "d", "--out", "."], "name another file or folder"],
  ] as const) {
    const { code, stderr } = await tandem(...words);
    expect(stderr).toContain(said);
    expect(code).toBe(2);
  }
  const written = readdirSync(folder).filter((name) => /none|part/.test(name));
  expect(written).toEqual([]);
});
