import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { ITERATION_POLICIES } from "../scenario/schema/tokens.ts";
import { NO_INPUTS, replicate, runAt, scenarioOf } from "./scenario.test-support.ts";

/** Prefill 10 ms + 0.1 ms a token; decode 5 ms + 1 ms a sequence. */
const STEPS = { prefill: [10, 0.1, 0], decode: [5, 0, 1] };

function writer(tokens: object, lengths: object, more: object = {}) {
  return {
    pipelines: { p: { tasks: { write: { model: "writer", tokens: lengths } } } },
    models: { writer: { tokens: { steps: STEPS, ...tokens } } },
    cluster: { replicas: { write: 1 } },
    ...more,
  };
}

const LENGTHS: { prompt: number; output: number; most?: number } = { prompt: 100, output: 5 };

test("a request alone takes its prompt, then an iteration for each token after the first", () => {
  const { summary } = runAt([0], writer({}, LENGTHS));
  const { latencyMeanMs, ttftMeanMs, tpotMeanMs, preemptionsPerRequest } = summary.metrics;
  expect(ttftMeanMs).toBe(20);
  expect(tpotMeanMs).toBe(6);
  expect(latencyMeanMs).toBe(20 + 4 * 6);
  expect(preemptionsPerRequest).toBe(0);
});

test("a second prompt joins at the next iteration, and both make tokens together", () => {
  // The first is at its second iteration (20 to 26 ms) when the second comes.
  const { bars } = runAt([0, 22], writer({ policy: "vllm" }, LENGTHS));
  // 26: the prompt beside one token, 10 + 10 + 5 + 1; then two tokens each.
  const afterBoth = 26 + 26;
  expect(bars.map(({ end }) => end)).toEqual([afterBoth + 2 * 7, afterBoth + 2 * 7 + 2 * 6]);
});

test("vllm-v0 stops those that make tokens for the prompt", () => {
  const { bars } = runAt([0, 22], writer({ policy: "vllm-v0" }, LENGTHS));
  const afterPrompt = 26 + 20;
  expect(bars.map(({ end }) => end)).toEqual([afterPrompt + 3 * 7, afterPrompt + 3 * 7 + 6]);
});

test("an SLO may bound the first token and the time per token: all bounds must hold", () => {
  const attained = (slo: object, client?: object): number => {
    const own = writer({}, LENGTHS);
    const tasks = own.pipelines.p.tasks;
    const pipelines = { p: { slo: { latencyMs: 1000, ...slo }, tasks } };
    const workload = {
      arrivals: "trace",
      file: "times.csv",
      column: "t",
      ...(client ? { client } : {}),
    };
    const { metrics } = runAt([0, 22], { ...own, pipelines, workload }).summary;
    return metrics.sloAttainmentRatio as number;
  };
  // First tokens after 20 and 30 ms; the tokens after them take 11.5 and 6.5 ms each.
  expect([19, 20, 30].map((ttftMs) => attained({ ttftMs }))).toEqual([0, 0.5, 1]);
  expect([6, 7, 12].map((tpotMs) => attained({ tpotMs }))).toEqual([0, 0.5, 1]);
  expect(attained({ ttftMs: 20, tpotMs: 7 })).toBe(0);
  const client = { timeoutMs: 500, retries: 1 };
  expect([19, 20, 30].map((ttftMs) => attained({ ttftMs }, client))).toEqual([0, 0.5, 1]);
});

describe("times of tokens are of what the client reads", () => {
  const looked = { service: { distribution: "deterministic", meanMs: 10 } };
  const run = (tasks: object, at: readonly number[], more: object = {}, slo: object = {}) => {
    const pipelines = { p: { slo: { latencyMs: 1000, ...slo }, tasks } };
    const replicas = Object.fromEntries(Object.keys(tasks).map((task) => [task, 1]));
    const slow = { steps: { ...STEPS, decode: [9, 0, 1] } };
    const models = { writer: { tokens: { steps: STEPS } }, slow: { tokens: slow }, looker: looked };
    const columns = { dear: [0, 1] };
    const { metrics } = runAt(
      at,
      { pipelines, models, cluster: { replicas }, ...more },
      columns,
    ).summary;
    const { ttftMeanMs, tpotMeanMs, tokensPerS, makespanMs, sloAttainmentRatio } = metrics;
    const tokens = ((tokensPerS as number) * (makespanMs as number)) / 1000;
    return { ttftMeanMs, tpotMeanMs, sloAttainmentRatio, tokens: Math.round(tokens) };
  };
  const when = { column: "dear", probability: 0.5 };
  const branch = {
    decide: { model: "writer", tokens: { prompt: 100, output: 3 } },
    write: { model: "writer", after: ["decide"], when, tokens: { prompt: 200, output: 3 } },
    look: { model: "looker", after: ["write"] },
    file: { model: "looker", after: [{ task: "write", at: "first-token" }] },
  };

  test("a text that others might have followed counts where they are skipped", () => {
    const { look: _, ...tasks } = branch;
    // The first has all of the cheap one's text after 32 ms; the second the dear one's first token 30 ms later, then one each 6 ms.
    expect(run(tasks, [0, 1000])).toMatchObject({ ttftMeanMs: (32 + 62) / 2, tpotMeanMs: 6 });
    const attained = (slo: object) => run(tasks, [0, 1000], {}, slo).sloAttainmentRatio;
    expect([31, 32, 62].map((ttftMs) => attained({ ttftMs }))).toEqual([0, 0.5, 1]);
    expect([5, 6].map((tpotMs) => attained({ tpotMs }))).toEqual([0.5, 1]);
  });

  test("and not where one of them ran, however late, as the client has it from that", () => {
    expect(run(branch, [0, 1000])).toMatchObject({ ttftMeanMs: 32, tpotMeanMs: undefined });
    const { write, ...others } = branch;
    const look = { model: "looker", after: ["write", "other"] };
    const tasks = { ...others, write, file: { model: "looker" }, other: { model: "looker" }, look };
    expect(run(tasks, [0]).ttftMeanMs).toBeUndefined();
  });

  test("two texts of one request count once: the first token of any, the slowest, all tokens", () => {
    const tasks = {
      one: { model: "writer", tokens: { prompt: 100, output: 3 } },
      look: { model: "looker" },
      two: { model: "slow", after: ["look"], tokens: { prompt: 100, output: 9 } },
      three: { model: "writer", after: ["look"], tokens: { prompt: 300, output: 1 } },
    };
    const goals = (ttftMs: number, tpotMs: number) => ({ ttftMs, tpotMs });
    const found = run(tasks, [0], {}, goals(20, 10));
    expect(found).toEqual({ ttftMeanMs: 20, tpotMeanMs: 10, sloAttainmentRatio: 1, tokens: 13 });
    expect(run(tasks, [0], {}, goals(19, 10)).sloAttainmentRatio).toBe(0);
    expect(run(tasks, [0], {}, goals(20, 9)).sloAttainmentRatio).toBe(0);
  });

  test("a request whose client left counts for neither, with tries again neither", () => {
    const tasks = { write: { model: "writer", tokens: LENGTHS } };
    const ttftMs = (client: object) => {
      const workload = { arrivals: "trace", file: "times.csv", column: "t", client };
      return run(tasks, [0, 22], { workload }).ttftMeanMs;
    };
    // First tokens after 20 and 30 ms, the last ones after 66 and 56: the first client leaves, and the engine goes on.
    const client = { timeoutMs: 60, cancels: false, backoffMs: 900 };
    expect([ttftMs({ timeoutMs: 100 }), ttftMs({ ...client, retries: 0 })]).toEqual([25, 30]);
    // Alone later.
    expect(ttftMs({ ...client, retries: 1 })).toBe((30 + 20) / 2);
  });
});

test("a device of twice the speed takes half of each iteration", () => {
  const nodes = [{ name: "fast", devices: { gpu: { slots: 1, speed: 2 } } }];
  const cluster = { replicas: { write: 1 }, nodes };
  const { metrics } = runAt([0], { ...writer({}, LENGTHS), cluster }).summary;
  expect([metrics.ttftMeanMs, metrics.tpotMeanMs]).toEqual([10, 3]);
});

test("clients whose time ends with their last tokens leave no place taken", () => {
  // Both end at 58 ms, in one iteration, as their clients' time does; the third has their place.
  const client = { timeoutMs: 58, retries: 0 };
  const workload = { arrivals: "trace", file: "times.csv", column: "t", client };
  const { summary } = runAt([0, 0, 100], { ...writer({}, LENGTHS), workload });
  expect(summary.counted).toBe(3);
  // A time-out at the instant of an end comes first.
  expect([summary.metrics.timeoutRatio, summary.metrics.latencyMeanMs]).toEqual([2 / 3, 44]);
});

test("replicas get their requests in turn", () => {
  const { bars } = runAt([0, 1, 2, 3], {
    ...writer({}, LENGTHS),
    cluster: { replicas: { write: 2 } },
  });
  const replicas = bars.map(({ replica }) => replica.split("/")[0]).sort();
  expect(replicas).toEqual(["write-1", "write-1", "write-2", "write-2"]);
});

test("too few blocks preempt, which costs time, and every request ends", () => {
  const run = (blocks: number) => {
    const at = Array.from({ length: 6 }, (_, i) => i);
    return runAt(at, writer({ blocks }, { prompt: 60, output: 40, most: 100 })).summary;
  };
  const [tight, roomy] = [run(12), run(1000)];
  expect(tight.metrics.preemptionsPerRequest).toBeGreaterThan(0);
  expect(roomy.metrics.preemptionsPerRequest).toBe(0);
  expect(tight.metrics.latencyMeanMs).toBeGreaterThan(roomy.metrics.latencyMeanMs as number);
  expect(tight.counted).toBe(6);
  expect(tight.metrics.kvUseRatio).toBeGreaterThan(roomy.metrics.kvUseRatio as number);
});

test("lengths by column stay where a pilot's own arrivals stand for the trace", () => {
  const lengths = { prompt: { column: "in" }, output: { column: "out" }, most: 250 };
  const document = scenarioOf({
    ...writer({}, lengths),
    workload: { arrivals: "deterministic", ratePerS: 1, requests: 3 },
  });
  const traceColumns = { "times.csv": { in: [100, 200], out: [5, 1] } };
  const { metrics } = replicate(document, 1, { ...NO_INPUTS, traceColumns })[0];
  // The third has the first row again.
  expect(metrics.latencyMeanMs).toBeCloseTo((44 + 30 + 44) / 3, 9);
});

/** In µs as events are, so without errors of rounding. */
function timeOf({ start, end }: { readonly start: number; readonly end: number }): number {
  return Math.round(1000 * (end - start)) / 1000;
}

test("lengths may be columns of the trace, row by row", () => {
  const lengths = { prompt: { column: "in" }, output: { column: "out" }, most: 250 };
  const columns = { in: [100, 300, 40], out: [5, 9, 1] };
  const { bars } = runAt([0, 1000, 2000], writer({}, lengths), columns);
  // The second is cut: 249 tokens of prompt leave one to make.
  expect(bars.map(timeOf)).toEqual([20 + 4 * 6, 34.9, 14]);
});

test("a prompt may hold the output of an earlier task, where that ran", () => {
  const pipelines = {
    p: {
      tasks: {
        answer: {
          model: "writer",
          after: ["plan", "look"],
          tokens: { prompt: 50, outputsOf: ["plan", "look"], output: 1 },
        },
        plan: { model: "writer", tokens: { prompt: 10, output: 20 } },
        look: {
          model: "writer",
          when: { column: "web", probability: 0.5 },
          tokens: { prompt: 10, output: 30 },
        },
      },
    },
  };
  const replicas = { answer: 1, plan: 1, look: 1 };
  const { bars } = runAt([0, 1000], writer({}, {}, { pipelines, cluster: { replicas } }), {
    web: [1, 0],
  });
  const answers = bars.filter(({ replica }) => replica.startsWith("answer"));
  expect(answers.map(timeOf)).toEqual([10 + 10, 10 + 7]);
});

describe("prompts that begin alike", () => {
  const kept = { prefixCaching: true, blocks: 1000, blockTokens: 16 };
  const timesOf = (lengths: object, columns = {}, tokens: object = kept): number[] => {
    const { bars } = runAt([0, 1000, 2000], writer(tokens, lengths), columns);
    return bars.map(timeOf);
  };

  test("share the blocks that lie in what they share, where these are kept", () => {
    const lengths = { prompt: 100, output: 1, prefix: { length: 70 } };
    // Four whole blocks, 64 tokens, are there for the second.
    expect(timesOf(lengths)).toEqual([20, 10 + 3.6, 10 + 3.6]);
    expect(timesOf(lengths, {}, {})).toEqual([20, 20, 20]);
    expect(timesOf({ prompt: 100, output: 1 })).toEqual([20, 20, 20]);
  });

  test("share no block that holds tokens made after a prompt that ends within what they share", () => {
    const lengths = {
      prompt: { column: "in" },
      output: { column: "out" },
      prefix: { length: 70 },
    };
    const times = timesOf(lengths, { in: [40, 100, 1], out: [20, 1, 1] });
    // Two blocks of the first prompt, 32 tokens; its third goes on with what the model made.
    expect(times[1]).toBe(10 + 6.8);
  });

  test("share them with their own group alone", () => {
    const lengths = { prompt: 100, output: 1, prefix: { length: 70, groups: 1e6 } };
    expect(timesOf(lengths)).toEqual([20, 20, 20]);
  });

  test("share what the numbers of their rows say, part by part", () => {
    const prefix = { column: "parts", blockTokens: 32 };
    const parts = [
      [7, 8, 9, 10],
      [7, 8, 11, 12],
      [7, 8, 9, 13],
    ];
    const times = timesOf({ prompt: 100, output: 1, prefix }, { parts });
    expect(times).toEqual([20, 10 + 3.6, 10 + 0.4]);
  });
});

describe("prefill and decode apart", () => {
  const steps = { steps: STEPS };
  const apart = (more: object = {}, decode: object = {}, prefill: object = {}) => ({
    pipelines: {
      p: {
        tasks: {
          first: { model: "prefill", tokens: LENGTHS },
          rest: { model: "decode", after: ["first"], tokens: { from: "first", ...more } },
        },
      },
    },
    models: {
      prefill: { tokens: { ...steps, policy: "distserve-prefill", ...prefill } },
      decode: { tokens: { ...steps, policy: "distserve-decode", ...decode } },
    },
    cluster: { replicas: { first: 1, rest: 1 } },
  });

  test("a request has its first token from one engine, and the others from the next", () => {
    const { summary, bars } = runAt([0], apart());
    expect(bars.map(({ start, end }) => [start, end])).toEqual([
      [0, 20],
      [20, 20 + 4 * 6],
    ]);
    const { ttftMeanMs, tpotMeanMs, latencyMeanMs } = summary.metrics;
    expect([ttftMeanMs, tpotMeanMs, latencyMeanMs]).toEqual([20, 6, 44]);
  });

  test("a prompt of one token to make ends with the first engine's", () => {
    const document = apart({ kvBytesPerToken: 100_000 });
    document.pipelines.p.tasks.first.tokens = { prompt: 100, output: 1 };
    // Nobody needs its keys and values.
    const cluster = { ...document.cluster, network: { gbps: 8 } };
    const { summary } = runAt([0], { ...document, cluster });
    expect(summary.metrics.latencyMeanMs).toBe(20);
    expect(summary.metrics.tokensPerS).toBeGreaterThan(0);
  });

  test("keys and values take the link to the second engine", () => {
    const document = apart({ kvBytesPerToken: 100_000 });
    // 10 MB at 8 Gbit/s: 10 ms.
    const cluster = { ...document.cluster, network: { gbps: 8 } };
    const { metrics } = runAt([0], { ...document, cluster }).summary;
    expect(metrics.ttftMeanMs).toBe(20);
    expect(metrics.latencyMeanMs).toBe(20 + 10 + 4 * 6);
  });

  test("a full second engine keeps the blocks of the first taken, which then waits", () => {
    const most = { ...LENGTHS, most: 112 };
    const blocks = { blocks: 7 };
    const document = apart({}, blocks, blocks);
    document.pipelines.p.tasks.first.tokens = most;
    const { bars } = runAt([0, 0, 0], document);
    const ends = (task: string) =>
      bars.filter(({ replica }) => replica.startsWith(task)).map(({ end }) => end);
    // One request fills an engine: the second prompt starts once the first's blocks are taken over, at 20;
    // the third's once the second's are, when the first request has ended, at 44.
    expect(ends("first")).toEqual([20, 40, 64]);
    expect(ends("rest")).toEqual([44, 68, 92]);
  });

  test("clients that give up leave no blocks behind", () => {
    fc.assert(
      fc.property(fc.integer({ min: 25, max: 300 }), (timeoutMs) => {
        const client = { timeoutMs, retries: 1, backoffMs: 10 };
        const tight = apart({}, { blocks: 30 }, { blocks: 30 });
        tight.pipelines.p.tasks.first.tokens = { ...LENGTHS, most: 112 };
        const workload = { arrivals: "poisson", ratePerS: 60, requests: 200, client };
        const { counted, metrics } = replicate(scenarioOf({ ...tight, workload }), 1)[0];
        expect(counted).toBe(200);
        expect(metrics.unfinishedRatio ?? 0).toBe(0);
      }),
      { numRuns: 20 },
    );
  });
});

test("another model on the device slows the iterations that begin meanwhile, and they slow it", () => {
  const document = writer(
    {},
    { prompt: 100, output: 3 },
    {
      pipelines: {
        p: {
          tasks: {
            write: { model: "writer", tokens: { prompt: 100, output: 3 } },
            look: { model: "looker" },
          },
        },
      },
      models: {
        writer: { tokens: { steps: STEPS } },
        looker: { service: { distribution: "deterministic", meanMs: 27 } },
      },
      cluster: {
        replicas: { write: 1, look: 1 },
        nodes: [
          { name: "gpu", devices: { gpu: { slots: 1, sharing: { kind: "processor-sharing" } } } },
        ],
      },
    },
  );
  const { bars } = runAt([0], document);
  const ends = Object.fromEntries(bars.map(({ replica, end }) => [replica.split("-")[0], end]));
  // Both begin at half speed: the prompt until 40, a token until 52. At 54 the other has done its 27 ms, in the middle of
  // an iteration, which stays slow.
  expect(ends).toEqual({ write: 2 * 20 + 2 * 12, look: 2 * 27 });
});

describe("an engine that crashes", () => {
  const broken = (replicas: number, blocks: number, more: object = {}) => ({
    ...writer({ blocks }, { ...LENGTHS, most: 112 }),
    cluster: { replicas: { write: replicas } },
    faults: {
      detection: { intervalMs: 0, timeoutMs: 5, failures: 1 },
      scheduled: [{ kind: "crash", replica: "write-1", atS: 0.03, forS: 1 }],
    },
    ...more,
  });

  test("fails the requests that have had tokens, and starts the others elsewhere", () => {
    // The first request has had its first token; the third's prompt, under way then, starts again at 35, and joins the
    // iteration of the second that begins at 38.
    const { summary, bars } = runAt([0, 0, 26], broken(2, 1000));
    expect(summary.metrics.dropRatio).toBeCloseTo(1 / 3, 12);
    expect(
      bars.map(({ replica, requests, end }) => [replica.split("/")[0], requests, end]),
    ).toEqual([
      ["write-2", "1", 38 + 26],
      ["write-2", "2", 64 + 4 * 6],
    ]);
    expect(summary.tasks.write.retries).toBe(1);
  });

  test("has all its blocks free when it is back", () => {
    const { summary, bars } = runAt([0, 1000, 2000], broken(1, 7));
    expect(summary.metrics.dropRatio).toBeCloseTo(1 / 3, 12);
    expect(bars.map(({ start, end }) => end - start)).toEqual([44, 44]);
  });

  test("has lost what it kept of prompts when it is back", () => {
    const timesOf = (faults: object): number[] => {
      const lengths = { prompt: 100, output: 1, prefix: { length: 70 } };
      const tokens = { prefixCaching: true, blocks: 100, blockTokens: 16 };
      return runAt([0, 2000, 4000], { ...writer(tokens, lengths), ...faults }).bars.map(timeOf);
    };
    const { faults } = broken(1, 100);
    expect(timesOf({})).toEqual([20, 13.6, 13.6]);
    expect(timesOf({ faults })).toEqual([20, 20, 13.6]);
  });

  test("answers every request once, whenever it crashes and whatever clients do", () => {
    const random = [{ kind: "crash", task: "write", mtbfS: 0.3, mttrS: 0.1 }];
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.option(fc.integer({ min: 20, max: 300 })),
        (seed, timeoutMs) => {
          const client = timeoutMs === null ? {} : { client: { timeoutMs, retries: 1 } };
          const workload = { arrivals: "poisson", ratePerS: 40, requests: 150, ...client };
          const faults = { detection: { intervalMs: 0, timeoutMs: 5, failures: 1 }, random };
          const document = scenarioOf(broken(2, 40, { workload, faults, run: { seed } }));
          const { counted, metrics } = replicate(document, 1)[0];
          expect(counted).toBe(150);
          expect(metrics.unfinishedRatio ?? 0).toBe(0);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("a task that starts at a first token", () => {
  const guarded = (file: object, replicas: object) => ({
    pipelines: {
      p: {
        tasks: {
          write: { model: "writer", tokens: LENGTHS },
          guard: { model: "guard", after: [{ task: "write", at: "first-token" }] },
          ...file,
        },
      },
    },
    models: {
      writer: { tokens: { steps: STEPS } },
      guard: { service: { distribution: "deterministic", meanMs: 3 } },
    },
    cluster: { replicas: { write: 1, guard: 1, ...replicas } },
  });

  test("runs beside the writer, and those that wait for its end run after it", () => {
    const file = { file: { model: "guard", after: ["guard", "write"] } };
    const { bars } = runAt([0], guarded(file, { file: 1 }));
    const times = Object.fromEntries(
      bars.map(({ replica, start, end }) => [replica.split("-")[0], [start, end]]),
    );
    expect(times.guard).toEqual([20, 23]);
    expect(times.file).toEqual([44, 47]);
  });

  test("does not end the request before the writer", () => {
    const { metrics } = runAt([0], guarded({}, {})).summary;
    expect([metrics.latencyMeanMs, metrics.ttftMeanMs]).toEqual([44, 20]);
  });
});

const load = { workload: { arrivals: "poisson", ratePerS: 8, requests: 400 } };
const DRAWN = {
  prompt: { distribution: "lognormal", mean: 80, cv: 1 },
  output: { distribution: "exponential", mean: 20 },
  most: 400,
};

describe("in a pipeline", () => {
  const pipelines = {
    p: {
      tasks: {
        look: { model: "looker" },
        write: { model: "writer", after: ["look"], when: { probability: 0.7 }, tokens: DRAWN },
      },
    },
  };
  const models = (policy: string) => ({
    looker: { service: { distribution: "exponential", meanMs: 20 } },
    writer: { tokens: { steps: STEPS, policy, blocks: 60 } },
  });
  const run = (policy: string): RunSummary => {
    const cluster = { replicas: { look: 1, write: 2 } };
    const document = scenarioOf({ pipelines, models: models(policy), cluster, ...load });
    return replicate(document, 1)[0];
  };

  // It makes first tokens alone.
  const whole = ITERATION_POLICIES.filter((policy) => policy !== "distserve-prefill");

  test.each(whole)("every request ends and every token is written: %s", (policy) => {
    const { metrics, counted, tasks } = run(policy);
    expect(counted).toBe(400);
    expect(metrics.unfinishedRatio ?? 0).toBe(0);
    expect(tasks.write.replicasMean).toBe(2);
    // The same lengths under every policy.
    const tokens = (metrics.tokensPerS as number) * (metrics.makespanMs as number);
    const first = run("vllm").metrics;
    expect(tokens / ((first.tokensPerS as number) * (first.makespanMs as number))).toBeCloseTo(
      1,
      1,
    );
  });

  test("the same seed gives the same digest, another policy another", () => {
    expect(run("vllm").digest).toBe(run("vllm").digest);
    expect(run("vllm").digest).not.toBe(run("vllm-v0").digest);
  });
});

test("clients that give up free their places: the rest ends", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 400 }),
      fc.constantFrom("vllm", "vllm-v0", "sarathi", "vtc"),
      (ms, policy) => {
        const client = { timeoutMs: ms, retries: 1, backoffMs: 10 };
        const document = scenarioOf({
          ...writer({ policy, blocks: 40 }, DRAWN),
          workload: { arrivals: "poisson", ratePerS: 12, requests: 150, client },
        });
        const [{ metrics, counted }] = replicate(document, 1);
        expect(counted).toBe(150);
        expect(metrics.unfinishedRatio ?? 0).toBe(0);
        expect(metrics.timeoutRatio).toBeGreaterThan(0);
      },
    ),
    { numRuns: 12 },
  );
});
