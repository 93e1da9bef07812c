/** A pipeline of two tasks whose answer tells what was sent: see `models/fingerprint.ts`. */
import { type ScenarioDocument, scenarioSchema } from "../../core/scenario/schema.ts";
import { fingerprintOf } from "../../models/registry.ts";

export const PIPELINE = "twice";

export interface FingerprintOptions {
  /** Replicas of the first task and of the second. */
  readonly replicas: readonly [number, number];
  readonly holdMs: number;
  readonly scheduler?: unknown;
}

export function fingerprintScenario(options: FingerprintOptions): ScenarioDocument {
  const { replicas, holdMs, scheduler } = options;
  return scenarioSchema.parse({
    name: "fingerprints",
    pipelines: {
      [PIPELINE]: {
        tasks: { first: { model: "print" }, second: { model: "print", after: ["first"] } },
      },
    },
    models: {
      print: {
        service: { distribution: "deterministic", meanMs: Math.max(1, holdMs) },
        implementation: { name: "fingerprint", parameters: { holdMs } },
      },
    },
    cluster: { replicas: { first: replicas[0], second: replicas[1] } },
    workload: { arrivals: "burst", requests: 1 },
    ...(scheduler === undefined ? {} : { scheduler }),
  });
}

/** Whether an answer's text is the one for what was sent. */
export function isAnswerTo(payload: Uint8Array, text: string): boolean {
  const first = fingerprintOf({ payload, upstream: {} });
  const second = fingerprintOf({ payload, upstream: { first: { labels: [], value: first } } });
  try {
    const { outputs } = JSON.parse(text) as { outputs: Record<string, { value: unknown }> };
    return outputs.first.value === first && outputs.second.value === second;
  } catch {
    return false;
  }
}
