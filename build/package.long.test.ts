/** The package as its users get it: packed, installed into an empty folder, run, without ONNX Runtime. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const scratch = temporaryFolder("package");
const home = join(scratch, "empty");

function run(program: string, ...args: readonly string[]) {
  // A value that onnxruntime-node's script refuses, as it fails where it cannot download.
  const env = { ...process.env, ONNXRUNTIME_NODE_INSTALL: "not-to-be-had" };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: home, encoding: "utf8", env });
  return { code: status, stdout, stderr };
}

const tandem = (...args: readonly string[]) => run("npx", "--no-install", "tandem", ...args);

function written(name: string, text: string): string {
  writeFileSync(join(home, name), text);
  return name;
}

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

let packed: Packed;

beforeAll(() => {
  mkdirSync(home);
  const pack = ["pack", "--json", "--pack-destination", scratch, ROOT];
  const { stdout, stderr } = run("npm", ...pack);
  [packed] = JSON.parse(stdout.slice(stdout.indexOf("[\n"))) as [Packed];
  expect(packed, stderr).toBeDefined();
  // npm looks for a folder to install into among those above, too.
  const installed = run("npm", "install", "--prefix", home, join(scratch, packed.filename));
  expect(installed.code, installed.stderr).toBe(0);
  // An npm that runs no scripts keeps it.
  rmSync(join(home, "node_modules/onnxruntime-node"), { recursive: true, force: true });
}, 600_000);

const QUEUE = `
name: queue
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: 10 } } }
cluster: { replicas: { serve: 2 } }
workload: { arrivals: poisson, ratePerS: 60, requests: 40 }
run: { seed: 3, replications: 3 }
`;

test("it holds what runs: no sources, maps, tests or benchmarks, in less than 5.2 MB", () => {
  const paths = packed.files.map(({ path }) => path);
  const others =
    /(?<!\.d)\.ts$|\.map$|\.test\.|test-support|^dist\/(bench|theory)\/|\/(fuzz|soak)\//;
  // `tandem init --policy` writes an example with its test.
  const example = "dist/scenarios/own-scheduler/fair-queue.test.mjs";
  expect(paths.filter((path) => others.test(path))).toEqual([example]);
  // Messages name the pages of docs/.
  expect(paths.filter((path) => !/^(dist|docs)\//.test(path)).sort()).toEqual([
    ...["LICENSE", "README.md", "package.json"],
  ]);
  expect(paths).toContain("docs/deploy.md");
  expect(packed.size).toBeLessThan(5.2e6);
  // 1.2 MB packed, for pages; processes take it from its package.
  expect(paths.filter((path) => path.endsWith(".wasm"))).toEqual(["dist/web/assets/highs.wasm"]);
  // Some 1,010 of its own; a folder that slips in has hundreds.
  expect(paths.length).toBeLessThan(1100);
});

test("the first commands run: init, check, simulate, query, report, doctor", () => {
  expect(tandem("init", "mine").code).toBe(0);
  expect(tandem("check", "mine/scenario.yaml").code).toBe(0);
  const simulated = tandem("simulate", "mine/scenario.yaml", "--replications", "2", "--out", "out");
  expect(simulated.code, simulated.stderr).toBe(0);
  expect(tandem("query", "out", "select count(*) from configurations").code).toBe(0);
  const { stdout } = tandem("report", "out", "--png", "--json");
  const { html, charts } = JSON.parse(stdout) as { html: string; charts: { png: string }[] };
  expect(existsSync(join(home, html))).toBe(true);
  expect(existsSync(join(home, charts[0].png))).toBe(true);
  const { code, stdout: found } = tandem("doctor", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(found).checks).toContainEqual(
    expect.objectContaining({ name: "ONNX Runtime", state: "absent" }),
  );
});

test("scenarios that it brings are sound, and simulated on threads", () => {
  const shipped = "node_modules/tandem-serving/dist/scenarios";
  const stock = join(shipped, "stock-prediction.yaml");
  const simulated = tandem("simulate", stock, "--replications", "2", "--workers", "2", "--json");
  expect(simulated.code, simulated.stderr).toBe(0);
  expect(existsSync(join(home, shipped, "image-analysis.yaml")), "the demo's").toBe(true);
});

test("validate runs real processes that replay measured times", () => {
  const path = written("queue.yaml", QUEUE);
  written("messages.json", JSON.stringify(MESSAGE_COSTS));
  const words = ["--backend", "replay", "--json", "--set", "cluster.overheadProfile=messages.json"];
  const { code, stdout, stderr } = tandem("validate", path, ...words);
  // 3: the host may be too busy to be judged by.
  expect([0, 3], stderr).toContain(code);
  const [{ measured }] = JSON.parse(stdout).configurations;
  expect(measured.metrics.latencyMeanMs.mean).toBeGreaterThanOrEqual(10);
});

test("real models say in one line what they lack, and the way out", () => {
  written("model.onnx", "");
  const path = written(
    "real.yaml",
    QUEUE.replace("{ service:", "{ implementation: { onnx: model.onnx }, service:"),
  );
  for (const words of [["calibrate", path], ["demo"]]) {
    const { code, stderr } = tandem(...words);
    expect([2, 4]).toContain(code);
    expect(stderr).toContain("need the package onnxruntime-node, which is not installed");
    expect(stderr).toMatch(/hint: .*npm install onnxruntime-node/);
    expect(stderr).not.toMatch(/bug|at .*\.js:\d+/);
  }
});

test("programs import it, with types that hold", () => {
  const source = `
    import * as tandem from "tandem-serving";
    import { readScenario, simulateAll } from "tandem-serving/browser";
    import { charts, svg } from "tandem-serving/vega";
    const { definePolicy, Fault, scenario, simulate, sweep } = tandem;
    const latest = definePolicy({
      name: "latest",
      create: () => ({ kind: "keyed", key: ({ deadlineUs }) => -deadlineUs }),
    });
    const own: string = (await simulate(await scenario("queue.yaml", { scheduler: { ordering: latest } }))).digest;
    const loaded = await scenario("queue.yaml", { "workload.ratePerS": 30 });
    const { id, metrics, digest } = await simulate(loaded);
    const mean: number | undefined = metrics.latencyMeanMs?.mean;
    let issues = 0;
    try { await scenario("queue.yaml", { "workload.ratePerS": -1 }); }
    catch (error) { if (error instanceof Fault) issues = error.issues.length; }
    const swept = await sweep(loaded, { threads: 2 });
    const same = swept.configurations.map((one) => one.digest).join() === digest;
    const [chart] = charts(swept);
    const drawn = (await svg(chart.spec)).startsWith("<svg");
    const text = await (await import("node:fs/promises")).readFile("queue.yaml", "utf8");
    const [alike] = await simulateAll(readScenario(text, { overrides: { "workload.ratePerS": 30 } }));
    const inBrowser = alike.digest === digest;
    console.log(JSON.stringify({ id, own, mean, issues, same, drawn, inBrowser, exported: Object.keys(tandem) }));
  `;
  written("queue.yaml", QUEUE);
  written("use.mts", source);
  written("wrong.mts", `import { simulate } from "tandem-serving"; simulate("queue.yaml");`);
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  const strict = ["--strict", "--module", "nodenext", "--target", "es2023", "--lib", "es2023,dom"];
  const compiled = run(process.execPath, compiler, ...strict, "use.mts");
  expect(compiled.stdout).toBe("");
  expect(run(process.execPath, compiler, ...strict, "--noEmit", "wrong.mts").stdout).toMatch(
    /'string' is not assignable to parameter of type 'Scenario'/,
  );
  const { stdout, stderr } = run(process.execPath, "use.mjs");
  expect(stderr).toBe("");
  const told = JSON.parse(stdout);
  expect(told).toMatchObject({ id: "base", issues: 1, inBrowser: true });
  // Equal to the command's, to the last digit.
  const again = tandem("simulate", "queue.yaml", "--set", "workload.ratePerS=30", "--json");
  expect(told.mean).toBe(JSON.parse(again.stdout).configurations[0].metrics.latencyMeanMs.mean);
});
