/**
 * The cases of language models: two engines of a measured model serve the requests of a public trace, by policies of
 * iterations and by routers.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { EngineCase } from "../../results/which-scheduler.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import type { Arm } from "./arms.ts";
import { textOf } from "./cases.ts";
import type { Sections } from "./claim.ts";
import type { Runs } from "./knees.ts";

/** Every combination; the last factor changes fastest. */
export const ENGINE_CASES: readonly EngineCase[] = (["different", "alike"] as const).flatMap(
  (prompts) =>
    (["one", "several"] as const).flatMap((clients) =>
      (["tight", "loose"] as const).map((goal): EngineCase => ({ prompts, clients, goal })),
    ),
);

export const engineCaseName = (one: EngineCase): string =>
  ["engines", ...Object.values(one)].join("-");

const shipped = (file: string): string =>
  readFileSync(fileURLToPath(new URL(`../../scenarios/${file}`, import.meta.url)), "utf8");

const STEPS = "llama-3.1-8b-rtx4090.json";
/** Cuts of one trace, each of as many rows as make whole windows. */
const CUTS = [shipped("traces/chat.csv"), textOf("conversations.csv")];
export const WINDOWS = 10;
export const ROWS = 400;

/** The cuts in windows, each from 0 on with gaps of 1 in the mean. */
function windowFiles(): Readonly<Record<string, string>> {
  const rows = CUTS.flatMap((text) => text.trim().split("\n").slice(1));
  const parsed = rows.map((row) => row.split(","));
  return Object.fromEntries(
    Array.from({ length: WINDOWS }, (_, window) => {
      const own = parsed.slice(window * ROWS, (window + 1) * ROWS);
      const times = own.map(([at]) => Number(at));
      const gap = (times[ROWS - 1] - times[0]) / (ROWS - 1);
      const lines = own.map(([, prompt, output], i) =>
        [((times[i] - times[0]) / gap).toFixed(4), prompt, output].join(","),
      );
      return [`chat${window + 1}.csv`, ["at,prompt,output", ...lines].join("\n")];
    }),
  );
}

/** The files that the scenarios name, which stand a folder above them. */
export const ENGINE_FILES: Readonly<Record<string, string>> = {
  ...windowFiles(),
  [STEPS]: shipped(`models/${STEPS}`),
};

/** Goals; an engine that does nothing else makes a token in 17 ms, and the first of 1,000 in 110 ms. */
export const TOKEN_GOALS = {
  tight: { ttftMs: 400, tpotMs: 35 },
  loose: { ttftMs: 2000, tpotMs: 100 },
} as const;
/** The patient ones of several clients, a quarter of the requests, have goals so many times as long. */
const PATIENCE = 4;
/** Prompts that are alike begin with so many tokens of one of some groups. */
export const ALIKE = { length: 768, groups: 24 } as const;
/** Keys and values of a token: 2 × 32 layers × 8 heads × 128 numbers of 2 bytes. */
const KV_BYTES = 131_072;
const WARMUP_SHARE = 0.2;

function engine({ prompts }: EngineCase, policy: string): Sections {
  const limits = { maxSequences: 256, maxBatchedTokens: 2048, blocks: 2588 };
  const prefixCaching = prompts === "alike";
  return { tokens: { steps: `../${STEPS}`, ...limits, policy, prefixCaching } };
}

function lengths({ prompts }: EngineCase): Sections {
  return {
    prompt: { column: "prompt" },
    output: { column: "output" },
    ...(prompts === "alike" && { prefix: ALIKE }),
    most: 2048,
  };
}

/** Clients with their goals, all with the same tasks. */
function clientsOf({ clients, goal }: EngineCase, tasks: Sections): Sections {
  const client = (times: number, more: Sections = {}) => {
    const { ttftMs, tpotMs } = TOKEN_GOALS[goal];
    const slo = { latencyMs: 600_000, ttftMs: times * ttftMs, tpotMs: times * tpotMs };
    return { slo: { ...slo, percentile: 90 }, ...more, tasks };
  };
  if (clients === "one") return { chat: client(1) };
  return {
    urgent: client(1, { priority: 1, share: 3 }),
    patient: client(PATIENCE, { share: 1 }),
  };
}

/** The scenario of a case, without a sweep. */
export function engineDocument(one: EngineCase): Sections {
  const tokens = lengths(one);
  return {
    name: engineCaseName(one),
    pipelines: clientsOf(one, { write: { model: "writer", tokens } }),
    models: { writer: engine(one, "vllm") },
    cluster: { replicas: { write: 2 } },
    scheduler: "fifo",
    workload: { arrivals: "trace", file: "../chat1.csv", column: "at", scale: 1, warmupS: 0 },
    run: {
      seed: 1,
      replications: 1,
      maxDrainS: 600,
      compare: { metrics: ["sloAttainmentRatio", "throughputPerS"] },
    },
  };
}

/** One engine for prompts and one for tokens, in the place of two for both. */
function apart(one: EngineCase): Sections {
  const tokens = lengths(one);
  return {
    pipelines: clientsOf(one, {
      read: { model: "reader", tokens },
      write: {
        model: "writer",
        after: ["read"],
        tokens: { from: "read", kvBytesPerToken: KV_BYTES },
      },
    }),
    models: {
      reader: engine(one, "distserve-prefill"),
      writer: engine(one, "distserve-decode"),
    },
    cluster: { replicas: { read: 1, write: 1 }, network: { gbps: 100 } },
  };
}

/** Policies of iterations and routers, one and then both; the simplest first. */
function engineArms(one: EngineCase): readonly Arm[] {
  const arm = (name: string, scheduler: SchedulerDocument, policy: string): Arm => ({
    name,
    kind: name === "vllm" ? "baseline" : "published",
    scheduler,
    paths: { "models.writer.tokens.policy": policy },
    policy,
  });
  const several = one.clients === "several" ? ["vllm-priority", "vtc"] : [];
  const policies = ["vllm-v0", "sarathi", ...several];
  const routers = ["join-shortest-queue", "least-kv", "prefix-affinity"];
  return [
    arm("vllm", "fifo", "vllm"),
    ...policies.map((policy) => arm(policy, "fifo", policy)),
    ...routers.map((routing) => arm(`vllm, ${routing}`, { routing }, "vllm")),
    ...several.flatMap((policy) =>
      ["least-kv", "prefix-affinity"].map((routing) =>
        arm(`${policy}, ${routing}`, { routing }, policy),
      ),
    ),
    { ...arm("distserve", "fifo", "distserve"), paths: apart(one) },
  ];
}

/** Shares of the requests per s that `vllm` serves of a window where all come at once. */
export const ENGINE_LOADS: readonly number[] = [0.5, 0.75, 1, 1.25, 1.5];

const windows = Array.from({ length: WINDOWS }, (_, window) => window);
const fileOf = (window: number): string => `../chat${window + 1}.csv`;

/** All requests of a window come at once; a point for each window. */
export function saturation(one: EngineCase): Sections {
  const document = engineDocument(one);
  const points = windows.map((window) => ({ "workload.file": fileOf(window) }));
  return {
    ...document,
    workload: { ...(document.workload as Sections), scale: 1e-4 },
    sweep: { points },
  };
}

export const capacityPerS = ({ metrics }: ConfigurationResult): number =>
  (1000 * ROWS) / (metrics.makespanMs?.mean ?? Number.POSITIVE_INFINITY);

/** Every arm of a case, at every load and in every window, by the capacity for that window's requests. */
export function engineRuns(one: EngineCase, capacitiesPerS: readonly number[]): Runs<Arm> {
  const of = engineArms(one);
  const points = of.flatMap(({ scheduler, paths }) =>
    ENGINE_LOADS.flatMap((load) =>
      windows.map((window) => {
        const perS = load * capacitiesPerS[window];
        return {
          scheduler,
          ...paths,
          "workload.file": fileOf(window),
          "workload.scale": 1 / perS,
          "workload.warmupS": (WARMUP_SHARE * ROWS) / perS,
        };
      }),
    ),
  );
  const document = { ...engineDocument(one), sweep: { points } };
  return { of, loads: ENGINE_LOADS, windows, document };
}
