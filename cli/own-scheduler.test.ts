/** A scheduler of the user's own: `scheduler: { file }` in every command that takes one. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkSchedulerOf } from "../cluster/run/run-schedulers.ts";
import { Fault } from "../engine/basics/fault.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { loadScenario } from "./scenario-file.ts";
import { type Ended, tandemHere } from "./tandem-here.test-support.ts";

let folder: string;
let policy: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tandem-own-"));
  const { code } = await tandemHere(folder, ["init", "--policy", "."]);
  expect(code).toBe(0);
  policy = readFileSync(join(folder, "fair-queue.mjs"), "utf8");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SHORT = ["--set", "sweep={}", "--set", "workload.requests=800", "--replications", "4"];
const here = (...words: string[]): Promise<Ended> => tandemHere(folder, words);

/** The scenario with another policy file of this text. */
function withFile(name: string, text: string): readonly string[] {
  writeFileSync(join(folder, name), text);
  return ["--set", `scheduler={file: ./${name}}`];
}

async function refused(command: string, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await here(
    command,
    "scenario.yaml",
    ...SHORT.slice(0, 4),
    ...words,
  );
  expect([code, stdout]).toEqual([2, ""]);
  return stderr;
}

interface Results {
  readonly scenario: { readonly digest: string };
  readonly configurations: readonly {
    readonly digest: string;
    readonly pipelines: Readonly<Record<string, { latencyMeanMs: { mean: number } }>>;
  }[];
}

async function simulated(...words: readonly string[]): Promise<Results> {
  const { code, stdout, stderr } = await here("simulate", "scenario.yaml", "--json", ...words);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Results;
}

describe("simulate", () => {
  test("runs it, and gives the same on two threads as on one", async () => {
    const [one, two] = [
      await simulated(...SHORT, "--workers", "1"),
      await simulated(...SHORT, "--workers", "2"),
    ];
    expect(two.configurations).toEqual(one.configurations);
    const { gold, free } = one.configurations[0].pipelines;
    expect(free.latencyMeanMs.mean).toBeGreaterThan(1.5 * gold.latencyMeanMs.mean);
  });

  test("sweeps its parameters, and files beside presets", async () => {
    const weights = "sweep={scheduler.parameters.weights.gold: [1, 9]}";
    const { configurations } = await simulated(...SHORT.slice(2), "--set", weights);
    expect(configurations[0].digest).not.toBe(configurations[1].digest);
    const files = "sweep={scheduler: [fifo, {file: ./fair-queue.mjs}]}";
    const both = await simulated(...SHORT.slice(2), "--set", files, "--workers", "2");
    expect(both.configurations).toHaveLength(2);
  });

  test("never takes results of a file that has changed", async () => {
    const file = withFile("changing.mjs", policy);
    const first = await simulated(...SHORT, ...file, "--out", "kept");
    const again = await simulated(...SHORT, ...file, "--out", "kept");
    expect(again).toEqual(first);
    expect(existsSync(join(folder, "kept/earlier-1"))).toBe(false);
    withFile("changing.mjs", policy.replace("1 / weightOf[pipeline]", "2 / weightOf[pipeline]"));
    const changed = await simulated(...SHORT, ...file, "--out", "kept");
    expect(changed.scenario.digest).not.toBe(first.scenario.digest);
    expect(existsSync(join(folder, "kept/earlier-1"))).toBe(true);
  });
});

test("a pack has several presets, and rules of the user stand beside built-in ones", async () => {
  const pack = `export default ({ definePolicy, z }) => {
    const longest = definePolicy({
      name: "newest-of-all",
      parameters: z.strictObject({ sign: z.number().default(-1) }),
      create: ({ sign }) => ({ kind: "keyed", key: (job) => sign * job.enteredUs }),
    });
    return {
      presets: {
        newest: { composition: { ordering: longest } },
        batched: { composition: { ordering: longest, batching: "size-or-timeout" } },
      },
    };
  };`;
  const [, file] = withFile("pack.mjs", pack);
  const newest = await simulated(...SHORT, "--set", file);
  const oldest = await simulated(...SHORT, "--set", file, "--set", "scheduler.parameters.sign=1");
  const fifo = await simulated(...SHORT, "--set", "scheduler=fifo");
  expect(oldest.configurations[0].digest).toBe(fifo.configurations[0].digest);
  expect(newest.configurations[0].digest).not.toBe(fifo.configurations[0].digest);
  const batched = await simulated(...SHORT, "--set", file, "--set", "scheduler.preset=batched");
  expect(batched.configurations).toHaveLength(1);
});

describe("check", () => {
  test("plays it, and says how often", async () => {
    const { code, stdout, stderr } = await here("check", "scenario.yaml");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(
      /fair-queue\.mjs: keeps the contract in \d+ random runs: those of 2\.5 s, at most 300 of a/,
    );
  });

  test("names the rule that is broken under loss, and the steps that lead there", async () => {
    const lost = policy.replace("!view.isUp(replica) || ", "");
    const stderr = await refused("check", ...withFile("lost.mjs", lost));
    expect(stderr).toContain("./lost.mjs breaks a rule");
    expect(stderr).toMatch(/start\(\d, \[\d+\]\): a batch goes to an idle replica \(line \d+\)/);
    expect(stderr).toMatch(/1\. \d+\.\d+ ms: /);
    expect(stderr).toMatch(/is lost|takes no new work/);
  });

  test("finds jobs that never start, and chance of its own", async () => {
    const stuck = policy.replace(
      "if (next === undefined) return;",
      "if (next === undefined || task.virtual > 0) return;",
    );
    expect(await refused("check", ...withFile("stuck.mjs", stuck))).toContain("the queues drain");
    const chance = policy.replace(
      "if (next === undefined) return;",
      "if (next === undefined || Math.random() < 0.3) return;",
    );
    const stderr = await refused("check", ...withFile("chance.mjs", chance));
    expect(stderr).toMatch(/the same events gave other decisions|the queues drain/);
  });
});

describe("a file that is no scheduler", () => {
  test.each([
    ["throws", 'throw new Error("boo");', "bad.mjs cannot be loaded: boo (line 1)"],
    ["is no JavaScript", "export default (", "bad.mjs is no JavaScript: SyntaxError"],
    ["imports another file", "import './fair-queue.mjs';", '"./fair-queue.mjs" from the file: '],
    ["imports a package", "import 'lodash';", "packages of Node (`node:…`) alone"],
    ["exports no function", "export default 3;", "bad.mjs exports no function by default"],
    ["throws when called", "\nexport default ({ z }) => z.nothing();", "(line 2)"],
    [
      "names no decision",
      "export default () => ({ ordring: 1 });",
      '"ordring", which is no decision',
    ],
    [
      "has no create()",
      'export default () => ({ ordering: { name: "a" } });',
      "names no ordering policy",
    ],
    ["names a policy that nobody has", 'export default () => ({ ordering: "best" });', "best"],
    [
      "takes a built-in name",
      'export default ({ definePolicy }) => ({ ordering: definePolicy({ name: "edf", create() {} }) });',
      "built in: give it another name",
    ],
  ])("that %s is an issue at its place, before anything is written", async (_, text, message) => {
    const stderr = await refused("simulate", ...withFile("bad.mjs", text), "--out", "nothing");
    expect(stderr).toContain(message);
    expect(stderr).toContain("scheduler");
    expect(existsSync(join(folder, "nothing"))).toBe(false);
  });

  test("or is not there, has issues once", async () => {
    const stderr = await refused("simulate", "--set", "scheduler.file=./none.mjs");
    expect(stderr).toContain("1 issue\n");
    expect(stderr).toContain("cannot read the file none.mjs");
  });

  test("or is of another kind, is called that", async () => {
    const stderr = await refused("simulate", "--set", "scheduler.file=./mine.ts");
    expect(stderr).toContain('expected a file of JavaScript, `.mjs` or `.js`, got "./mine.ts"');
  });

  test("gets parameters that it has not, or bad ones", async () => {
    const unknown = await refused("simulate", "--set", "scheduler.parameters.weight=1");
    expect(unknown).toContain('fair-queue has no parameter "weight" (did you mean "weights"?');
    const negative = await refused("simulate", "--set", "scheduler.parameters.weights.gold=-1");
    expect(negative).toContain(
      "scheduler.parameters.weights.gold: fair-queue: expected a number above 0",
    );
  });
});

test.each([
  ["starts a job twice", "act.start(replica, [next, next])", "start(0, ["],
  ["names a replica that there is not", "act.start(77, [next])", "there is no replica 77"],
  ["pre-empts unannounced", "act.preempt(replica)", "must have `preempts: true`"],
  ["scales unannounced", "act.setReplicas(pool, 1)", "answer is not in the controller's `scales`"],
  ["throws", "view.nothing()", "TypeError: view.nothing is not a function (line"],
])(
  "a decision that %s stops a sweep on threads before anything is written",
  async (_, command, message) => {
    const text = policy.replace("act.start(replica, [next])", command);
    const stderr = await refused(
      "simulate",
      ...withFile("nonsense.mjs", text),
      "--workers",
      "2",
      "--out",
      "no",
    );
    expect(stderr).toContain(message);
    expect(stderr).toContain("tandem check scenario.yaml");
    expect(existsSync(join(folder, "no"))).toBe(false);
  },
);

test("an order that fails at a later call is named, with its line", async () => {
  const text = `export default ({ definePolicy }) => ({
    ordering: definePolicy({
      name: "late",
      create: () => {
        let calls = 0;
        return { kind: "keyed", key: ({ deadlineUs }) => (++calls > 300 ? boo() : deadlineUs) };
      },
    }),
  });`;
  const stderr = await refused("simulate", ...withFile("order.mjs", text));
  expect(stderr).toContain('ordering policy "late", in key: ReferenceError: boo is not defined');
});

test("nothing real starts where nobody could take over from it", async () => {
  const held = ["--set", "pipelines.gold.discipline=pipeline-held", "--set", "sweep={}"];
  const pipelines = ["--set", "pipelines.free.tasks={b: {model: answerer}}"];
  const words = [...held, ...pipelines, "--set", "cluster.replicas.b=1", "--backend", "replay"];
  const { code, stderr } = await here("cluster", "up", "scenario.yaml", ...words);
  expect([code, stderr]).toEqual([2, expect.stringContaining("as gold is pipeline-held")]);
});

test("nonsense that comes late stops a thread with the same words", async () => {
  const late = policy.replace(
    "const next",
    'if (view.nowUs > 2e6) throw new Error("late"); const next',
  );
  const stderr = await refused(
    "simulate",
    ...withFile("late.mjs", late),
    "--workers",
    "2",
    "--replications",
    "2",
  );
  expect(stderr).toMatch(/late\.mjs: controller "fair-queue", in decide: late \(line \d+\)/);
});

test("a plan takes it as a candidate, and names it from the plan's own folder", async () => {
  const small = [...SHORT.slice(0, 4), "--replications", "2", "--max-replicas", "4"];
  const options = [...small, "--schedulers", "none", "--out", "planned"];
  const { code, stdout, stderr } = await here("plan", "scenario.yaml", "--json", ...options);
  expect(code, stderr).toBe(0);
  expect(stdout).toContain("fair-queue.mjs");
  const planned = readFileSync(join(folder, "planned", "plan.yaml"), "utf8");
  expect(planned).toContain("file: ../fair-queue.mjs");
  rmSync(join(folder, "planned"), { recursive: true });
});

test("a request over REST cannot bring one", async () => {
  const loaded = await loadScenario(
    { scenario: join(folder, "scenario.yaml"), set: [] },
    { requireTimes: true },
  );
  const system = compileSystem(loaded.document, loaded);
  expect(() => checkSchedulerOf({ file: "./mine.mjs" }, system)).toThrow(Fault);
  expect(() => checkSchedulerOf({ file: "./mine.mjs" }, system)).toThrow(/is code/);
});

test("init writes a test that passes, and overwrites nothing", async () => {
  const { status, stdout } = spawnSync(process.execPath, ["--test"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(status, stdout).toBe(0);
  const { code, stderr } = await here("init", "--policy", ".");
  expect([code, stderr]).toEqual([2, expect.stringContaining("is there already")]);
});
