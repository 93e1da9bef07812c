/** A published run of a serving engine as a scenario: its arrivals and lengths are a trace, the engine is the simulator's. */
import { scenarioSchema } from "../../../scenario/schema/scenario.ts";
import type { StepProfile } from "../../../scenario/schema/step-profile.ts";
import { runReplication } from "../../../sim/replication.ts";
import type { MeasuredRequest } from "./published.ts";

type StepTimes = StepProfile["times"];

/** Means over a run, ms; attainment: the share with TTFT and TPOT within their goals. */
export interface TokenFigures {
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly latencyMs: number;
  readonly attainment: number;
}

export const TTFT_GOAL_MS = 200;
export const TPOT_GOAL_MS = 100;

/** Terms of an engine as a scenario has them, and the times of its iterations. */
export interface EngineTerms {
  readonly policy: string;
  readonly maxSequences: number;
  readonly maxBatchedTokens: number;
  readonly blocks: number;
  readonly prefixCaching?: boolean;
  readonly times: StepTimes;
}

/** A second engine that goes on with the first one's sequences, so many ms after their first tokens. */
interface Second extends EngineTerms {
  readonly handOverMs: number;
}

/** More than any of these runs has. */
const LATENCY_GOAL_MS = 1e6;
const MOST_TOKENS = 200_000;
/** A byte a nanosecond. */
const GBPS = 8;

/** `requests` in order of arrival; each takes `requestMs` besides, before its first token. */
export function playedRun(
  requests: readonly MeasuredRequest[],
  first: EngineTerms,
  second: Second | null = null,
  requestMs = 0,
): TokenFigures {
  const engines = second === null ? { first } : { first, second };
  const entries = Object.entries<EngineTerms>(engines);
  const lengths = { prompt: { column: "in" }, output: { column: "out" }, most: MOST_TOKENS };
  const slo = {
    latencyMs: LATENCY_GOAL_MS,
    ttftMs: Math.max(1, TTFT_GOAL_MS - requestMs),
    tpotMs: TPOT_GOAL_MS,
  };
  const tasks = {
    first: { model: "first", tokens: lengths },
    ...(second === null
      ? {}
      : {
          second: {
            model: "second",
            after: ["first"],
            tokens: { from: "first" },
            payloadBytes: Math.round(second.handOverMs * 1e6),
          },
        }),
  };
  const document = scenarioSchema.parse({
    name: "published-run",
    pipelines: { run: { slo, tasks } },
    models: Object.fromEntries(
      entries.map(([name, { policy, maxSequences, maxBatchedTokens, blocks, prefixCaching }]) => {
        const terms = { policy, maxSequences, maxBatchedTokens, blocks, prefixCaching };
        return [name, { tokens: { steps: name, ...terms } }];
      }),
    ),
    cluster: {
      replicas: Object.fromEntries(entries.map(([name]) => [name, 1])),
      ...(second === null ? {} : { network: { gbps: GBPS } }),
    },
    workload: { arrivals: "trace", file: "run.csv", column: "at" },
  });
  const [{ arrivalUs: fromUs }] = requests;
  const inputs = {
    profiles: {},
    stepProfiles: Object.fromEntries(entries.map(([name, { times }]) => [name, profileOf(times)])),
    traces: { "run.csv": requests.map(({ arrivalUs }) => arrivalUs - fromUs) },
    traceColumns: {
      "run.csv": {
        in: requests.map(({ promptTokens }) => promptTokens),
        out: requests.map(({ outputTokens }) => outputTokens),
      },
    },
  };
  const { metrics } = runReplication(document, inputs, 0).summary;
  return {
    ttftMs: (metrics.ttftMeanMs as number) + requestMs,
    tpotMs: metrics.tpotMeanMs as number,
    latencyMs: (metrics.latencyMeanMs as number) + requestMs,
    attainment: metrics.sloAttainmentRatio as number,
  };
}

function profileOf(times: StepTimes): StepProfile {
  const provenance = { kind: "imported", model: "", modelFiles: [], device: "", host: "" } as const;
  return {
    schema: "tandem/step-profile@1",
    provenance: { ...provenance, modelFiles: [], runtime: "", date: "" },
    times,
  };
}
