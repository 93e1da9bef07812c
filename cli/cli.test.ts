import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import type { PlanDocument } from "../library/plan-results.ts";
import type { ResultsDocument } from "../results/documents.ts";
import type { ValidationDocument } from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { Catalogue } from "../schedulers/catalogue.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed } from "../sim/replication.ts";
import { type Ended, tandemHere } from "./tandem-here.test-support.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const TANDEM = join(ROOT, "dist/cli/tandem.js");
const scratch = temporaryFolder("cli");

/** In this process; `tandem` starts one. */
const here = (...words: readonly string[]): Promise<Ended> => tandemHere(scratch, words);

function tandem(...args: readonly string[]): Ended {
  const options = { encoding: "utf8", cwd: scratch, timeout: 150_000 } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [TANDEM, ...args], options);
  return { code: status, stdout, stderr };
}

function scenario(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

const QUEUE = `
name: queue
pipelines: { p: { slo: { latencyMs: 100 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { serve: 2 } }
workload: { arrivals: poisson, ratePerS: 60, requests: 400 }
run: { seed: 3, replications: 3 }
`;

test("simulate --json prints one document on stdout and nothing else", () => {
  const { code, stdout } = tandem("simulate", scenario("q.yaml", QUEUE), "--json");
  expect(code).toBe(0);
  const document = JSON.parse(stdout) as ResultsDocument;
  expect(document.schema).toBe("tandem/results@1");
  expect(document.seed).toBe(3);
  expect(document.notes).toEqual([expect.stringMatching(/^network and gateway take no time: /)]);
  expect(document.configurations[0].metrics.latencyMeanMs?.mean).toBeGreaterThan(10);
  expect(document.configurations[0].metrics.sloAttainmentRatio?.mean).toBeGreaterThan(0.5);
});

test("a file of a results folder stands for the folder", async () => {
  await here("simulate", scenario("q.yaml", QUEUE), "--out", "of-file");
  const { code, stdout } = await here(
    "query",
    "of-file/results.json",
    "select id from configurations",
  );
  expect([code, stdout]).toEqual([0, expect.stringContaining("base")]);
});

test("the command that a result names repeats it", async () => {
  const first = JSON.parse(
    (await here("simulate", scenario("q.yaml", QUEUE), "--set", "workload.ratePerS=90", "--json"))
      .stdout,
  ) as ResultsDocument;
  const [, , command, ...args] = first.command.split(" ");
  const again = JSON.parse((await here(command, ...args, "--json")).stdout) as ResultsDocument;
  expect(again).toEqual(first);
});

test("bad input: exit code 2, every issue with its line, and nothing is written", async () => {
  const path = scenario(
    "bad.yaml",
    QUEUE.replace("meanMs: 10", "meanMs: -10").replace("replicas:", "replcas:"),
  );
  const { code, stdout, stderr } = await here("simulate", path, "--out", "bad-out");
  expect(code).toBe(2);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/bad\.yaml:4 .*meanMs/);
  expect(stderr).toMatch(/bad\.yaml:5 .*did you mean "replicas"/);
  expect(existsSync(join(scratch, "bad-out"))).toBe(false);
});

test("check --json has every issue as data, on stdout, and exit code 2", () => {
  const path = scenario("bad.yaml", QUEUE.replace("meanMs: 10", "meanMs: -10"));
  const { code, stdout, stderr } = tandem("check", path, "--json");
  expect(code).toBe(2);
  expect(stderr).toContain("models.m.service.meanMs");
  const line = QUEUE.split("\n").findIndex((text) => text.startsWith("models:")) + 1;
  const issue = { path: "models.m.service.meanMs", line, message: expect.any(String) };
  expect(JSON.parse(stdout)).toEqual({
    schema: "tandem/check@1",
    valid: false,
    issues: [{ ...issue, file: path }],
  });
  const sound = tandem("check", scenario("q.yaml", QUEUE), "--json");
  expect(JSON.parse(sound.stdout)).toMatchObject({ valid: true, issues: [], configurations: 1 });
  const missing = tandem("check", "missing.yaml", "--json");
  expect(missing.code).toBe(2);
  expect(JSON.parse(missing.stdout).issues).toEqual([
    { path: "", message: expect.stringContaining("missing.yaml"), hint: expect.any(String) },
  ]);
});

test("errors are red where colour is asked for, and plain in a pipe", () => {
  const path = scenario("bad.yaml", QUEUE.replace("meanMs: 10", "meanMs: -10"));
  const run = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, [TANDEM, "check", path], { encoding: "utf8", env }).stderr;
  const plain = run({ ...process.env, FORCE_COLOR: undefined });
  expect(run({ ...process.env, FORCE_COLOR: "1" })).toBe(
    plain.replace(/^.*/, (first) => `\x1b[31m${first}\x1b[39m`),
  );
});

test.each([
  [["simulat", "q.yaml"], /no command `tandem simulat`\n.*did you mean "simulate"\?/],
  [["cluster", "upp"], /no command `tandem cluster upp`\n.*did you mean "up"\?/],
  [
    ["simulate", "q.yaml", "--set", "a={x:", "1,", "y:", "2}"],
    /--set a=\{x:: a bracket is not closed\n.*quote the value.*--set 'a=\{x: 1, …'/,
  ],
  [["simulate"], /`tandem simulate` needs <scenario>/],
  [["simulate", "q.yaml", "more"], /`tandem simulate` takes no "more"/],
  [["check", "q.yaml", "--foo"], /no option --foo\n {2}hint: see `tandem check --help`/],
  [["simulate", "q.yaml", "--wrkers=2"], /no option --wrkers\n.*did you mean "--workers"\?/],
  [["simulate", "q.yaml", "--workers", "0"], /workers/],
  [["simulate", "q.yaml", "--workers", "1000000"], /up to 256.*\n.*processor/],
  [["simulate", "q.yaml", "--replications"], /--replications needs a value/],
  [["simulate", "q.yaml", "--sample", "random"], /--sample needs a value/],
  [["simulate", "q.yaml", "--shards", "3"], /--shards needs --on/],
  [["simulate", "q.yaml", "--detach"], /--detach needs --on/],
  [["simulate", "q.yaml", "--shard-list", "1"], /--shard-list needs --shard/],
  [["simulate", "missing.yaml"], /missing\.yaml: ENOENT: no such file/],
  [["simulate", "."], /cannot read the scenario \.: EISDIR/],
  [["check", "q.yaml", "--on", "missing.yaml"], /inventory missing\.yaml: ENOENT: no such file/],
  [["completion", "csh"], /shell: expected one of bash, zsh, fish, got "csh"/],
  [
    ["cluster", "up", "q.yaml", "--backend", "gpu"],
    /--backend: expected one of .*real,.*, got "gpu"/,
  ],
  [["simulate", "q.yaml", "--set", "nonsense"], /path=value/],
  [["simulate", "q.yaml", "--set", "scheduler=fifi"], /did you mean "fifo"/],
  [["simulate", "q.yaml", "--out", "q.yaml"], /cannot make the folder q.yaml/],
  [["simulate", "q.yaml", "--out", "q.yaml/deep"], /cannot make the folder .*q\.yaml: EEXIST/],
  [["simulate", "q.yaml", "--out", "/proc/none"], /cannot make the folder \/proc\/none/],
  [["plan", "q.yaml", "--out", "/proc/none"], /cannot make the folder \/proc\/none/],
  [["simulate", "q.yaml", "--out", ""], /--out: expected a folder/],
  [["simulate", "q.yaml", "--until", "soon"], /--until: expected a share.*"soon"/],
  [["simulate", "q.yaml", "--seed", "one"], /--seed: expected a number/],
  [["report", "nowhere"], /nowhere/],
  [["schedulers", "fiffo"], /did you mean "fifo"/],
  [["simulate", "q.yaml", "--sample", "best", "5"], /latin-hypercube and random/],
  [["simulate", "q.yaml", "--sample", "random", "5"], /sweeps nothing/],
  [["query", "nowhere", "select 1"], /--out/],
  [["query", ".", "select 1", "--json", "--csv"], /one of the two/],
  [["load", "q.yaml"], /`tandem load` needs --url/],
  [["load", "q.yaml", "--url", "not a url"], /host:port/],
])("tandem %j is bad usage, with the way out", async (args, said) => {
  scenario("q.yaml", QUEUE);
  const { code, stderr } = await here(...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(said);
  expect(stderr).not.toMatch(/bug|at .*\.js:\d+/);
});

test.each([
  [[], /^tandem <command> [\s\S]*Examples:\n *tandem init my-pipeline/],
  [["cluster"], /^tandem cluster <action> [\s\S]*tandem cluster up <scenario>/],
])("tandem %j alone lists its commands", async (args, said) => {
  const { code, stdout } = await here(...args);
  expect([code, stdout]).toEqual([0, expect.stringMatching(said)]);
});

test.each([
  [["--max-replications", "60"], /--max-replications needs --until/],
  [["--until", "0%"], /above 0% and below 100%/],
  [["--until", "2%", "--until-metrics", "latencyP9Ms"], /did you mean "latencyP90Ms"/],
  [["--compare", "scheduler"], /the sweep does not vary "scheduler"/],
])("a sweep refuses %j", async (options, said) => {
  const sweep = "sweep: { workload.ratePerS: [20, 60] }";
  const path = scenario("swept.yaml", `${QUEUE}${sweep}\n`);
  const { code, stderr } = await here("simulate", path, ...options);
  expect(code).toBe(2);
  expect(stderr).toMatch(said);
});

test("a warm-up left to be found is for simulations: validate says so before it starts", async () => {
  const path = scenario("auto.yaml", QUEUE);
  const { code, stderr } = await here("validate", path, "--set", "workload.warmupS=auto");
  expect(code).toBe(2);
  expect(stderr).toContain("only a simulation can find its warm-up by itself");
  expect(stderr).not.toContain("validate 1/");
});

test("a sweep of a million configurations asks for --yes", async () => {
  const sweep =
    "sweep: { run.seed: { from: 1, to: 1000, step: 1 }, workload.ratePerS: { from: 1, to: 50, step: 0.05 } }";
  const { code, stderr } = await here("simulate", scenario("huge.yaml", `${QUEUE}${sweep}\n`));
  expect(code).toBe(2);
  expect(stderr).toMatch(/--yes/);
});

test("a sample of a sweep is repeatable, and another sample is another result", async () => {
  const sweep = "sweep: { workload.ratePerS: { from: 10, to: 90 }, scheduler: [fifo, random] }";
  const path = scenario("sampled.yaml", `${QUEUE}${sweep}\n`);
  const ran = async (...sample: readonly string[]): Promise<ResultsDocument> => {
    const { code, stdout } = await here("simulate", path, "--json", "--sample", ...sample);
    expect(code).toBe(0);
    return JSON.parse(stdout) as ResultsDocument;
  };
  const first = await ran("latin-hypercube", "6");
  const [, , command, ...args] = first.command.split(" ");
  expect(JSON.parse((await here(command, ...args, "--json")).stdout)).toEqual(first);
  const schedulers = first.configurations.map(({ parameters }) => parameters.scheduler);
  expect(schedulers.filter((name) => name === "fifo")).toHaveLength(3);
  expect((await ran("random", "6")).configurations).not.toEqual(first.configurations);
  const whole = await here("simulate", path);
  expect(whole.code).toBe(2);
  expect(whole.stderr).toMatch(/sampled\.yaml:\d+ sweep\.workload\.ratePerS: .*--sample/);
  expect((await here("check", path)).code).toBe(0);
});

test("init writes a scenario that checks out, and does not overwrite it", async () => {
  expect(JSON.parse((await here("init", "mine", "--json")).stdout)).toMatchObject({
    schema: "tandem/init@1",
    scenario: join("mine", "scenario.yaml"),
  });
  expect((await here("check", join("mine", "scenario.yaml"))).code).toBe(0);
  expect((await here("init", "mine")).code).toBe(2);
  const help = (await here("simulate", "--help")).stdout;
  const sample = /--sample latin-hypercube \d+/.exec(help)?.[0] ?? expect.fail(help);
  const path = join("mine", "scenario.yaml");
  const short = ["--replications", "1", "--set", "workload.durationS=70"];
  const drawn = await here("simulate", path, ...sample.split(" "), ...short);
  expect(drawn.code, drawn.stderr).toBe(0);
});

test("schedulers lists the registry, and explains one preset or policy", async () => {
  const list = (await here("schedulers")).stdout;
  expect(list).toMatch(/^ {2}power-of-two +the less loaded/m);
  expect(list).toMatch(/^routing: which replica/m);
  const { stdout } = await here("schedulers", "power-of-two");
  expect(stdout).toMatch(/^power-of-two \(routing\): the less loaded.*\n {2}Idea +\S/m);
  expect(stdout).toMatch(/^ {2}Parameter choices +\S/m);
  const document = JSON.parse((await here("schedulers", "fifo", "--json")).stdout) as Catalogue;
  expect(document.presets.map(({ name }) => name)).toEqual(["fifo"]);
});

/** The commands that a help text names. */
function commandsIn(help: string): string[] {
  return [...help.matchAll(/^ {2}tandem ([a-z ]*[a-z])(?= [[<]| {2,})/gm)].map(([, name]) => name);
}

test("help lists advanced commands and options below the others", async () => {
  expect((await here("--help")).stdout).toMatch(/Commands:[\s\S]*Advanced:\n +tandem gather/);
  const { stdout } = await here("simulate", "--help");
  expect(stdout).toMatch(/Options:[\s\S]*--workers[\s\S]*Advanced:[\s\S]*--shard-list/);
  expect(stdout.split("Advanced:")[1]).not.toContain("--workers");
  const validate = (await here("validate", "--help")).stdout.split("Advanced:");
  expect([validate[0], validate[1]]).toEqual([
    expect.stringContaining("--budget"),
    expect.stringContaining("--repeats"),
  ]);
});

test("every command has --help with an example", async () => {
  const commands = commandsIn((await here("--help")).stdout);
  expect(commands.length).toBeGreaterThan(10);
  const groups = ["cluster", "deploy", "sweep"];
  const actions: string[] = [];
  for (const group of groups) actions.push(...commandsIn((await here(group, "--help")).stdout));
  expect(actions).toContain("cluster up");
  expect(actions).toContain("sweep status");
  for (const command of [...commands, ...actions]) {
    const { code, stdout } = await here(...command.split(" "), "--help");
    expect([command, code]).toEqual([command, 0]);
    expect(stdout, command).toMatch(/Examples:\n *tandem /);
    // Each part of the demo's answer is in a file, and a container has logs only.
    const others = [...groups, "cluster serve", "demo", "completion"];
    if (!others.includes(command)) expect(stdout).toContain("--json");
  }
});

test("validate runs real processes, judges, and leaves a report's worth of results and logs that replay", () => {
  const text = QUEUE.replace("requests: 400", "requests: 40").replace(
    "exponential",
    "deterministic",
  );
  const validation = "validation: { backend: replay, metrics: { latencyMeanMs: 5 } }";
  const path = scenario("v.yaml", `${text}${validation}\n`);
  scenario("messages.json", JSON.stringify(MESSAGE_COSTS));
  const messages = "cluster.overheadProfile=messages.json";
  const terms = ["--set", "cluster.gateway.count=2", "cluster.network.rttMs=50", messages];
  const { code, stdout } = tandem("validate", path, "--json", "--out", "v", ...terms);
  // The host may be too busy to be judged by, which is an answer too, and no disagreement.
  expect(code).toBe(0);
  const document = JSON.parse(stdout) as ValidationDocument;
  const [result] = document.configurations;
  expect(document.schema).toBe("tandem/validation@3");
  expect(["agrees", "cannot tell"]).toContain(result.verdict);
  expect(result.judgements.latencyMeanMs?.verdict).toBe(result.verdict);
  expect(result.measured.backend).toBe("replay");
  expect(result.measured.metrics.latencyMeanMs?.mean).toBeGreaterThanOrEqual(10);
  expect(result.notes).toEqual(["not realised by the cluster: several gateways"]);
  const loaded = parseScenario(readFileSync(path, "utf8"), path, () => "");
  const inputs = { profiles: {}, traces: {} };
  const log = RunLog.parse(readFileSync(join(scratch, "v/logs/1-1.jsonl"), "utf8"));
  expect(log.entries.filter(([kind]) => kind === "arrive")).toHaveLength(40);
  const system = compileSystem(loaded.document, inputs);
  const scheduler = createScheduler(loaded.document.scheduler, system, replicationSeed(3, 0));
  expect(replayLog(system, scheduler, log).divergence).toBeNull();
  const written = JSON.parse(tandem("report", "v", "--json").stdout);
  expect(written).toMatchObject({ schema: "tandem/report@1", html: join("v", "report.html") });
  expect(readFileSync(join(scratch, "v/report.html"), "utf8")).toMatch(/replayed/);
  const explained = tandem("explain", "v");
  expect(explained.code, explained.stderr).toBe(0);
  expect(explained.stdout).toContain("predicted − measured");
});

const UNCALIBRATED = `
name: nothing
pipelines: { p: { tasks: { serve: { model: nothing } } } }
models: { nothing: { profile: profiles/nothing.json, implementation: { name: no-op } } }
cluster: { replicas: { serve: 1 }, overheadProfile: profiles/overheads.json }
workload: { arrivals: poisson, ratePerS: 50, requests: 100 }
`;

test("calibrate is asked for where profiles are missing, and asks for models that can run", async () => {
  const { code, stderr } = await here("simulate", scenario("c.yaml", UNCALIBRATED));
  expect(code).toBe(2);
  expect(stderr).toMatch(/tandem calibrate/);
  const nothing = await here("calibrate", scenario("q.yaml", QUEUE));
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toMatch(/no model of .*q\.yaml names an implementation/);
});

const GPUS = `
name: gpus
pipelines: { p: { slo: { latencyMs: 60, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
cluster:
  nodes:
    - { name: big, count: 2, devices: { gpu: 4 }, costPerHour: 3 }
    - { name: small, count: 4, devices: { gpu: 1 }, costPerHour: 1 }
  replicas: { serve: 1 }
workload: { arrivals: poisson, ratePerS: 150, requests: 4000, warmupS: 1 }
run: { seed: 3, replications: 5 }
`;

test("plan --json has the cheapest first, as a point that simulate takes and that keeps the SLO", async () => {
  const path = scenario("gpus.yaml", GPUS);
  const { code, stdout } = await here("plan", path, "--schedulers", "fifo,random", "--json");
  expect(code).toBe(0);
  const { schema, plans } = JSON.parse(stdout) as PlanDocument;
  expect(schema).toBe("tandem/plan@3");
  const [{ best, goals, allCheaperTried }] = plans;
  expect(goals).toEqual([{ pipeline: "p", latencyMs: 60, percentile: 95 }]);
  // M/M/2 has 93.7 % within 60 ms; one big machine has room for four at the price of three small ones.
  expect(best).toMatchObject({ scheduler: "fifo", cost: 3, machines: { big: 1, small: 0 } });
  expect(allCheaperTried).toBe(true);
  const sweep = `sweep=${JSON.stringify({ points: [best?.point] })}`;
  const simulated = await here("simulate", path, "--set", sweep, "--json");
  const [result] = (JSON.parse(simulated.stdout) as ResultsDocument).configurations;
  expect(result.metrics.sloAttainmentRatio?.mean).toBeGreaterThan(0.95);
  expect(result.metrics.costPerHour?.mean).toBe(3);
});

test("plan prints its answer where the folder cannot be written, and fails", async () => {
  const path = scenario("gpus.yaml", GPUS);
  mkdirSync(join(scratch, "full", "plan.yaml"), { recursive: true });
  const full = join(scratch, "full");
  const { code, stdout, stderr } = await here("plan", path, "--schedulers", "none", "--out", full);
  expect(code).not.toBe(0);
  expect(stdout).toMatch(/cheapest: fifo/);
  expect(stderr).toMatch(/plan\.yaml/);
});

test("plan says what is cheapest, what none of the allowed can keep, and what it does not know", async () => {
  const path = scenario("gpus.yaml", GPUS);
  const text = await here("plan", path, "--schedulers", "none");
  expect(text.stdout).toMatch(/95 % of requests within 60 ms/);
  expect(text.stdout).toMatch(/cheapest: fifo/);
  expect(text.stderr).toMatch(/combinations of machines.*: \d+; the cheapest first/);
  expect(text.stdout).toMatch(
    /^to simulate the plan: node \S+tandem\.js simulate \S+gpus\.yaml --seed 3 --replications \d+ --set 'sweep=\{"points":/m,
  );
  const hard = await here(
    "plan",
    path,
    "--set",
    "pipelines.p.slo.latencyMs=5",
    "--schedulers",
    "none",
  );
  expect(hard.code).toBe(3);
  expect(hard.stdout).toMatch(/nothing that was allowed keeps the SLO/);
  expect(hard.stderr).toMatch(/combinations of machines[\s\S]*take up to .* without any wait/);
  expect(hard.stderr).toMatch(/found no cluster that keeps the SLO/);
  const loads = "sweep={pipelines.p.slo.latencyMs: [5, 60]}";
  const some = await here("plan", path, "--set", loads, "--schedulers", "none", "--json");
  expect(some.code).toBe(3);
  expect(some.stderr).toMatch(/found no cluster that keeps the SLO for 1 of 2 loads/);
  const { plans } = JSON.parse(some.stdout) as PlanDocument;
  expect(plans.map(({ best }) => best !== null)).toEqual([false, true]);
  const little = "cluster.nodes.1.devices.gpu={slots: 1, memoryMb: 2000}";
  const large = "models.m.memoryMb=4000";
  const room = await here("plan", path, "--set", little, "--set", large, "--schedulers", "none");
  expect(room.stdout).toMatch(/big 1 of 2 machines \(serve [34]\)/);
  const [, again = ""] = /^to simulate the plan: node \S+tandem\.js (.*)$/m.exec(room.stdout) ?? [];
  expect(again).toMatch(/^simulate .* --set models\.m\.memoryMb=4000 --set 'sweep=/);
  const words = again.match(/'[^']*'|\S+/g)?.map((word) => word.replaceAll("'", "")) ?? [];
  expect(await here(...words)).toMatchObject({ code: 0, stdout: expect.stringMatching(/SLO/) });
  const unknown = await here("plan", path, "--schedulers", "fifo,jsq");
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toMatch(/no preset "jsq"/);
  expect((await here("plan", path, "--max-replicas", "0")).stderr).toMatch(
    /--max-replicas: expected a number from 1/,
  );
});

const UNLIKE = `
name: unlike
pipelines:
  p: { slo: { latencyMs: 300, percentile: 95 }, tasks: { pre: { model: pre }, big: { model: big, after: [pre] } } }
models:
  pre: { service: { distribution: deterministic, meanMs: 5 } }
  big: { service: { distribution: lognormal, meanMs: 60, cv: 0.5 } }
cluster:
  nodes:
    - { name: gpu, count: 4, devices: { gpu: 1 }, costPerHour: 2.5 }
    - { name: cpu, count: 4, devices: { cpu: { slots: 1, speed: 0.25 } }, costPerHour: 0.1 }
  replicas: { pre: 1, big: 1 }
workload: { arrivals: trace, file: data/times.csv, column: t, repeat: 20, warmupS: 5 }
run: { seed: 1, replications: 5 }
`;

test("plan --out writes a scenario that passes check as it is, from its own folder, and a report with the plan first", async () => {
  const path = scenario("unlike.yaml", UNLIKE);
  mkdirSync(join(scratch, "data"), { recursive: true });
  const times = Array.from({ length: 100 }, (_, i) => (i * 0.2 + (i % 3) * 0.05).toFixed(2));
  writeFileSync(join(scratch, "data/times.csv"), `t\n${times.join("\n")}\n`);
  const out = join(scratch, "planned");
  const { code, stderr } = await here("plan", path, "--schedulers", "fifo,edf", "--out", out);
  expect(code, stderr).toBe(0);
  const planned = join(out, "plan.yaml");
  expect(readFileSync(planned, "utf8")).toMatch(/file: \.\.\/data\/times\.csv/);
  expect((await here("check", planned)).stdout).toMatch(/sound; one configuration/);
  const { configurations } = JSON.parse(
    readFileSync(join(out, "results.json"), "utf8"),
  ) as ResultsDocument;
  expect(configurations.map(({ metrics }) => metrics.costPerHour?.mean)).toEqual([2.6]);
  expect((await here("report", out)).code).toBe(0);
  const page = readFileSync(join(out, "report.html"), "utf8");
  expect(page).toMatch(/<p class="answer">fifo: [^<]*<\/p>[\s\S]*<dd>2\.6 per hour<\/dd>/);
  const wrong = await here("plan", path, "--window", "night");
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toMatch(/one of peak, whole, got "night"/);
});
