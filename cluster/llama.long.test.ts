/** The real engine of language models, where llama.cpp and weights are at hand: our policy decides each iteration. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import type { EngineLimits } from "../engine/tokens/token-engine.ts";
import { llamaCppInstall, loadLlamaCpp } from "../models/llama-cpp.ts";
import { weightsPath } from "../models/weights.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually } from "./deployment.test-support.ts";
import { reportOf } from "./faults.test-support.ts";
import { inJson } from "./in-json.test-support.ts";
import { divergence, run, SEED } from "./measured-run.test-support.ts";
import { monotonicUs } from "./time/clock.ts";
import type { Backend, BatchResult } from "./worker/backend.ts";
import { EngineHost, type Steps } from "./worker/engine-host.ts";
import { llamaSteps } from "./worker/llama-steps.ts";

const hasLlama = await loadLlamaCpp().then(
  () => existsSync(weightsPath("smollm2-135m")),
  () => false,
);
const isHere = needs(`llama.cpp (\`${llamaCppInstall()}\`) with weights smollm2-135m`, hasLlama);

const LLAMA = { weights: "smollm2-135m", threads: 1, contextTokens: 256 };
const clock = { nowUs: monotonicUs };

function textOf({ outputs }: BatchResult): string {
  const { value } = JSON.parse(Buffer.from(outputs[0].text).toString()) as {
    value: { text: string };
  };
  return value.text;
}

const job = (text: string, output: number) => ({
  jobs: [
    { payload: Buffer.from(text), upstream: Buffer.from("{}"), tensors: [], upstreamTensors: {} },
  ],
  variate: null,
  warmUp: false,
  tokens: { prompt: null, output, priority: 0, client: 0, beginning: 0 },
});

describe.skipIf(!isHere)("the engine", () => {
  async function withEngine(
    limits: Pick<EngineLimits, "maxSequences" | "blocks"> &
      Partial<EngineLimits> & { policy: string },
    use: (place: () => Backend, computed: () => number) => Promise<void>,
  ): Promise<void> {
    const { policy, ...own } = limits;
    const whole = { maxBatchedTokens: 64, blockTokens: 16, prefixCaching: false, ...own };
    const real = await llamaSteps(LLAMA, whole, ".", clock);
    let computed = 0;
    const steps: Steps = {
      ...real,
      run(iteration, ...then) {
        computed += iteration.shares.reduce((sum, { tokens }) => sum + tokens, 0);
        real.run(iteration, ...then);
      },
    };
    const engine = new EngineHost({ policy, limits: whole }, steps, clock);
    const places: Backend[] = [];
    try {
      await use(
        () => {
          const place = engine.place();
          places.push(place);
          return place;
        },
        () => computed,
      );
    } finally {
      for (const place of places) await place.close();
    }
  }

  const ALONE = { maxSequences: 1, blocks: 100, policy: "vllm" };
  const PROMPTS = [
    "The capital of France is",
    "Water boils at a temperature of",
    "Two plus two is",
  ];

  test("a text is the same alone, in chunks beside others, and after a preemption", async () => {
    const alone: string[] = [];
    await withEngine(ALONE, async (place) => {
      const own = place();
      for (const prompt of PROMPTS) {
        const told: string[] = [];
        const result = await own.run(job(prompt, 24), ({ text }) => void told.push(text));
        alone.push(textOf(result));
        expect(told.join("") + result.written?.last.text).toBe(textOf(result));
      }
    });
    expect(alone[0]).toContain("Paris");
    for (const policy of ["vllm", "vllm-v0", "sarathi"]) {
      // Five blocks of 16 tokens for three sequences of up to 32.
      await withEngine({ maxSequences: 3, blocks: 5, policy }, async (place) => {
        const all = PROMPTS.map((prompt) => place().run(job(prompt, 24), () => undefined));
        const results = await Promise.all(all);
        expect(results.map(textOf), policy).toEqual(alone);
        const preempted = results.reduce(
          (sum, one) => sum + (one.written?.use.preemptions ?? 0),
          0,
        );
        expect(preempted, policy).toBeGreaterThan(0);
      });
    }
  });

  test("a text is the same where one engine reads the prompt and another goes on", async () => {
    // llama.cpp reads keys and values only into a memory for as many sequences.
    await withEngine({ ...ALONE, maxSequences: 3 }, async (reader) => {
      const whole = textOf(await reader().run(job(PROMPTS[0], 24), () => undefined));
      const own = job(PROMPTS[0], 24);
      const goesOn = { ...own, tokens: { ...own.tokens, goesOn: true } };
      const first = await reader().run(goesOn, () => undefined);
      expect([first.written?.last.tokens, first.written?.kept]).toEqual([1, expect.any(Number)]);
      const jobs = [{ ...own.jobs[0], upstreamTensors: { read: first.outputs[0].tensors } }];
      const continues = { ...own, jobs, tokens: { ...own.tokens, continues: true } };
      // Another runs besides and preempts nothing; then blocks run out, and the prompt is computed again.
      for (const blocks of [100, 5]) {
        const limits = { maxSequences: 3, blocks, policy: "vllm" };
        await withEngine(limits, async (writer) => {
          const others = PROMPTS.slice(1).map((prompt) =>
            writer().run(job(prompt, 24), () => undefined),
          );
          const rest = await writer().run(continues, () => undefined);
          await Promise.all(others);
          expect(textOf(first) + textOf(rest)).toBe(whole);
        });
      }
    });
  });

  test("with `prefixCaching` a chat's next turn computes what is new, and says the same", async () => {
    const rules = "You are a patient guide who answers in short and plain words. ".repeat(5);
    const first = `${rules}The capital of France is`;
    const texts: string[] = [];
    const counts: number[] = [];
    for (const prefixCaching of [false, true]) {
      await withEngine({ ...ALONE, prefixCaching }, async (place, computed) => {
        const own = place();
        const answer = textOf(await own.run(job(first, 24), () => undefined));
        const before = computed();
        const next = `${first}${answer} The capital of Spain is`;
        texts.push(answer, textOf(await own.run(job(next, 8), () => undefined)));
        counts.push(computed() - before);
      });
    }
    expect(texts.slice(2)).toEqual(texts.slice(0, 2));
    expect(counts[0]).toBeGreaterThan(90);
    expect(counts[1]).toBeLessThan(45);
  });

  test("with `prefixCaching` texts beside others that begin alike are the same, preempted too", async () => {
    const rules = "Here is what every child learns at school about our world: ";
    const prompts = PROMPTS.map((prompt) => `${rules.repeat(3)}${prompt}`);
    const alone: string[] = [];
    await withEngine(ALONE, async (place) => {
      for (const one of prompts)
        alone.push(textOf(await place().run(job(one, 24), () => undefined)));
    });
    // Of 41 tokens of a prompt 32 are kept. Six blocks do not hold two texts, so one is preempted.
    const both = [
      [6, 1],
      [100, 0],
    ] as const;
    for (const [blocks, least] of both) {
      const limits = { maxSequences: 3, blocks, policy: "vllm", prefixCaching: true };
      await withEngine(limits, async (place, computed) => {
        const ended: Promise<BatchResult>[] = [];
        await new Promise<void>((begun) => {
          ended.push(place().run(job(prompts[0], 24), () => begun()));
        });
        for (const one of prompts.slice(1)) {
          ended.push(place().run(job(one, 24), () => undefined));
        }
        const results = await Promise.all(ended);
        expect(results.map(textOf)).toEqual(alone);
        const preempted = results.map(({ written }) => written?.use.preemptions ?? 0);
        expect(Math.max(...preempted)).toBeGreaterThanOrEqual(least);
        if (least === 0) expect(computed()).toBeLessThan(3 * (41 + 23) - 2 * 32 + 10);
      });
    }
  });

  test("prompts that wait get the slices of those that were read for another engine", async () => {
    const limits = { maxSequences: 2, blocks: 100, policy: "distserve-prefill" };
    await withEngine(limits, async (place) => {
      const own = job(PROMPTS[0], 24);
      const goesOn = { ...own, tokens: { ...own.tokens, goesOn: true } };
      const asked = Array.from({ length: 6 }, () => place().run(goesOn, () => undefined));
      const results = await Promise.all(asked);
      expect(new Set(results.map(textOf)).size).toBe(1);
      expect(new Set(results.map(({ written }) => written?.kept)).size).toBe(6);
    });
  });

  test("a job that is stopped leaves its slice to the next, whose text it does not change", async () => {
    await withEngine(ALONE, async (place) => {
      const [first, second] = [place(), place()];
      const expected = textOf(await second.run(job(PROMPTS[0], 8), () => undefined));
      let told = 0;
      const stopped = first.run(job(PROMPTS[1], 200), () => {
        if (++told === 3) first.stop?.();
      });
      await expect(stopped).rejects.toThrow("stopped after 3 tokens");
      expect(textOf(await second.run(job(PROMPTS[0], 8), () => undefined))).toBe(expected);
    });
  });

  test("what does not fit is refused: a long prompt, an empty one, a context beyond the model's", async () => {
    await withEngine(ALONE, async (place) => {
      const own = place();
      const ask = (text: string, output: number) => () =>
        own.run(job(text, output), () => undefined);
      expect(ask("word ".repeat(300), 10)).toThrow(/exceed the model's context of 255 tokens/);
      expect(ask("", 10)).toThrow("the prompt is empty");
    });
    const far = { ...LLAMA, contextTokens: 100_000 };
    const limits = { maxSequences: 1, maxBatchedTokens: 64, blockTokens: 16 };
    await expect(llamaSteps(far, limits, ".", clock)).rejects.toThrow(/was trained with \d+/);
  });
});

const document: ScenarioDocument = scenarioSchema.parse({
  name: "real-writer",
  pipelines: {
    answer: {
      tasks: {
        look: { model: "looker" },
        write: {
          model: "writer",
          after: ["look"],
          tokens: { prompt: { distribution: "exponential", mean: 20 }, output: 8, most: 120 },
        },
      },
    },
  },
  models: {
    looker: { service: { distribution: "deterministic", meanMs: 2 } },
    writer: {
      tokens: {
        steps: { prefill: [5, 3, 0], decode: [5, 0, 10] },
        maxSequences: 2,
        maxBatchedTokens: 64,
        blocks: 32,
        llama: LLAMA,
      },
    },
  },
  cluster: { replicas: { look: 1, write: 1 } },
  workload: { arrivals: "poisson", ratePerS: 4, requests: 12 },
});

describe.skipIf(!isHere)("a deployment", () => {
  const own = deployed({ document, seed: SEED, backend: "engines" });

  test("a measured run writes drawn lengths beside a replayed task, and its log replays", {
    tags: ["smoke"],
  }, async () => {
    const { outcomes, load, log, summary } = await run(own.deployment, document);
    expect(outcomes.completed).toBe(12);
    expect(load.ttftUs.every((us, i) => us > 0 && us <= load.latencyUs[i])).toBe(true);
    const { tokensPerS = 0, makespanMs = 0, kvUseRatio } = summary.metrics;
    expect(tokensPerS * makespanMs).toBeGreaterThan(0);
    expect(kvUseRatio).toBeGreaterThan(0);
    expect(divergence(document, log)).toBeNull();
  });

  test("OpenAI's completions have the model's own text, whole and as events", async () => {
    const ask = async (more: object): Promise<Response> => {
      const body = { model: "answer", prompt: "The capital of France is", max_tokens: 12, ...more };
      return fetch(`${own.http}/v1/completions`, inJson("POST", body));
    };
    const whole = (await (await ask({})).json()) as {
      choices: { text: string; finish_reason: string }[];
      usage: { completion_tokens: number; prompt_tokens: number };
    };
    expect(whole.choices[0].text).toContain("Paris");
    expect(whole.usage).toMatchObject({ completion_tokens: 12, prompt_tokens: 5 });
    expect(whole.choices[0].finish_reason).toBe("length");
    const events = await (await ask({ stream: true })).text();
    const data = events
      .split("\n\n")
      .flatMap((event) => (event.startsWith("data: ") ? [event.slice(6)] : []));
    expect(data.at(-1)).toBe("[DONE]");
    const texts = data.slice(0, -1).map((one) => JSON.parse(one).choices[0].text as string);
    expect(texts.join("")).toBe(whole.choices[0].text);
    expect(texts.length).toBeGreaterThan(5);
    const long = await ask({ prompt: "word ".repeat(300) });
    expect(long.status).toBe(400);
    expect(await long.text()).toContain("exceed the model's context of 255 tokens");
  });

  test("a client that leaves frees its sequence", async () => {
    const abort = new AbortController();
    const body = { model: "answer", prompt: "Once", max_tokens: 200, stream: true };
    const { signal } = abort;
    const asked = fetch(`${own.http}/v1/completions`, { ...inJson("POST", body), signal });
    const reader = (await asked).body?.getReader();
    await reader?.read();
    abort.abort();
    expect(await eventually(async () => (await reportOf(own.deployment)).idle)).toBe(true);
  });
});
