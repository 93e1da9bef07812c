/**
 * A language model on its real engine, in pipelines whose other models are replayed: each case calibrates the iterations
 * anew and is validated. In one the cluster has another policy of iterations than the prediction.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { enginePaces, judgeEngines } from "../../calibration/judge-engines.ts";
import { withMessageCosts } from "../../calibration/message-costs.ts";
import { predict } from "../../calibration/predict.ts";
import { realRuns, unfitness } from "../../calibration/real-runs.ts";
import { payloadRequest } from "../../cluster/load/tensor-inputs.ts";
import { parseScenario } from "../../scenario/parse.ts";
import {
  type Outcome,
  outcomeOf,
  rounded,
  roundedIterations,
  type StudyCase,
} from "./study-case.ts";
import { tandem } from "./tandem-command.ts";

interface EngineCase extends StudyCase {
  readonly pipeline: keyof typeof PIPELINES;
  readonly policy: "vllm" | "sarathi";
  /** Policy of the cluster's engines; absent: the same. */
  readonly served?: "vllm-priority";
}

/** Many short runs tell more of their spread than few long ones; each starts empty, in both worlds. */
const [RUNS, RUN_S] = [6, 22];

const lengths = (mean: number) => ({ distribution: "lognormal", mean, cv: 0.6 });
const CUT = { most: 240 };
const WRITE = { model: "writer" };
const poisson = (ratePerS: number) => ({
  arrivals: "poisson",
  ratePerS,
  requests: Math.round(RUN_S * ratePerS),
  warmupS: 0,
});

/** Tasks, and a load that keeps the engine of the longest texts at work for a third to a half of the time. */
const PIPELINES = {
  chat: {
    tasks: {
      moderate: { model: "moderator" },
      write: {
        ...WRITE,
        after: ["moderate"],
        tokens: { prompt: lengths(60), output: lengths(40), ...CUT },
      },
    },
    workload: poisson(0.8),
  },
  rag: {
    tasks: {
      retrieve: { model: "retriever" },
      search: { model: "web", when: { column: "web", probability: 0.1 } },
      rerank: { model: "reranker", after: ["retrieve", "search"] },
      write: {
        ...WRITE,
        after: ["rerank"],
        tokens: { prompt: { column: "prompt" }, output: { column: "output" }, ...CUT },
      },
    },
    workload: {
      arrivals: "trace",
      file: "traces/rag.csv",
      column: "at_s",
      scale: 0.03,
      requests: 14,
      warmupS: 0,
    },
  },
  agent: {
    tasks: {
      decide: { model: "decider", tokens: { prompt: lengths(24), output: 4, ...CUT } },
      write: {
        ...WRITE,
        after: ["decide"],
        when: { probability: 0.5 },
        tokens: { prompt: lengths(50), outputsOf: ["decide"], output: lengths(50), ...CUT },
      },
      guard: { model: "moderator", after: [{ task: "write", at: "first-token" }] },
    },
    workload: poisson(0.9),
  },
  // Requests that come at once, a few of them long: who is first decides how long the others wait.
  burst: {
    tasks: { write: { ...WRITE, tokens: { prompt: 8, output: 4, ...CUT } } },
    workload: { arrivals: "burst", requests: 32, warmupS: 0 },
  },
} as const;

export const ENGINE_CASES: readonly EngineCase[] = [
  ...(["chat", "rag", "agent"] as const).flatMap((pipeline) =>
    (["vllm", "sarathi"] as const).map((policy): EngineCase => {
      return { name: `${pipeline}-${policy}`, seed: 1, pipeline, policy };
    }),
  ),
  {
    name: "other-policy",
    seed: 1,
    pipeline: "burst",
    policy: "vllm",
    served: "vllm-priority",
    wrong: "policy",
  },
];

const TOLERANCE = { latencyMeanMs: 0.1, ttftMeanMs: 0.1, tpotMeanMs: 0.05 };
const replayed = (meanMs: number, cv: number) => ({
  service: { distribution: "lognormal", meanMs, cv },
});

/** Another pipeline sends its long prompts to the engine of `burst`. */
const LONG = { write: { ...WRITE, tokens: { prompt: 200, output: 4, ...CUT } } };

function engineScenario({ name: title, seed, pipeline, policy }: EngineCase) {
  const { tasks, workload } = PIPELINES[pipeline];
  const engine = (name: string) => ({
    tokens: {
      steps: `models/${name}.json`,
      policy,
      maxSequences: 8,
      maxBatchedTokens: pipeline === "burst" ? 64 : 128,
      blocks: 256,
      llama: { weights: "smollm2-135m", threads: 1, contextTokens: 256 },
    },
  });
  const models = {
    moderator: replayed(12, 0.3),
    retriever: replayed(25, 0.3),
    web: replayed(400, 0.8),
    reranker: replayed(60, 0.3),
    decider: engine("decider"),
    writer: engine("writer"),
  };
  const slo = { latencyMs: 10_000, percentile: 90 };
  const used = new Set(Object.values(tasks).map(({ model }) => model as string));
  return {
    name: title,
    pipelines: {
      p: { slo, tasks, ...(pipeline === "burst" ? { share: 4, priority: 1 } : {}) },
      ...(pipeline === "burst" ? { long: { slo, tasks: LONG } } : {}),
    },
    models: Object.fromEntries(Object.entries(models).filter(([model]) => used.has(model))),
    cluster: { replicas: Object.fromEntries(Object.keys(tasks).map((task) => [task, 1])) },
    scheduler: "fifo",
    workload,
    run: { seed, replications: RUNS },
    validation: {
      backend: "engines",
      repeats: RUNS,
      metrics: TOLERANCE,
      points: [{ scheduler: "fifo" }],
    },
  };
}

/** Bounds on calibration's rounds and on the runs, s: a case takes less than five minutes. */
const [CALIBRATION_S, RUNS_S] = [50, 230];

/** Started in the sources, which have the trace. */
export async function validateEngines(one: EngineCase, folder: string): Promise<Outcome> {
  const file = join(folder, "scenario.yaml");
  mkdirSync(join(folder, "traces"), { recursive: true });
  copyFileSync(join("scenarios", "traces", "rag.csv"), join(folder, "traces", "rag.csv"));
  writeFileSync(file, stringify(engineScenario(one)));
  const startMs = performance.now();
  const passedS = (): number => (performance.now() - startMs) / 1000;
  await tandem(["calibrate", file, "--json", "--max-seconds", String(CALIBRATION_S)]);
  if (one.served !== undefined)
    return { ...(await otherPolicy(file, one.served)), seconds: Math.round(passedS()) };
  const bound = ["--budget", `${RUNS_S}s`];
  const printed = await tandem(["validate", file, "--out", folder, "--json", ...bound]);
  return outcomeOf(JSON.parse(printed).configurations[0], passedS());
}

/** The real runs have this policy in place of the scenario's. */
async function otherPolicy(file: string, policy: string): Promise<Omit<Outcome, "seconds">> {
  const read = (path: string): string => readFileSync(path, "utf8");
  const under = (values: Readonly<Record<string, unknown>>) =>
    parseScenario(read(file), file, read, values);
  const loaded = under({});
  const other = under({ "models.writer.tokens.policy": policy });
  const carried = [payloadRequest(new Uint8Array(64))];
  const contents = () => carried;
  const given = { document: other.document, inputs: other, contents, timeScale: 1 };
  const { inputs, doubt } = await withMessageCosts({ ...given, date: new Date().toISOString() });
  const place = { inputs, backend: "engines", timeScale: 1 } as const;
  const all = await realRuns({ ...place, document: other.document, repeats: RUNS, contents });
  const runs = all.healthy.length > 0 ? all.healthy : all.unhealthy;
  const plan = { ...place, document: loaded.document };
  const unfit = unfitness(all, RUNS) ?? doubt;
  const by = { tolerance: TOLERANCE, unfit, runSeconds: 0, warmupS: 0 };
  const { paces = [], iterations, doubt: paceDoubt = null } = enginePaces(plan, runs, by) ?? {};
  const judged = runs.map(({ replication, summary }, i) => ({
    predicted: predict(plan, replication, paces[i]).summary.metrics,
    measured: summary.metrics,
  }));
  const { verdict, error, judgements } = judgeEngines(judged, by, paceDoubt);
  const reason = Object.values(judgements).find((found) => found.reason !== undefined)?.reason;
  return {
    verdict,
    error: rounded(error),
    ownError: {},
    ...(iterations === undefined ? {} : { iterations: roundedIterations(iterations) }),
    ...(reason === undefined ? {} : { reason }),
    ...(verdict === "disagrees"
      ? { culprit: "another policy: no pace of the host explains it" }
      : {}),
    runs: runs.length,
    setAside: all.unhealthy.length,
  };
}
