/** Systems for tests that play schedulers without a clock. */

import type { System } from "../engine/system/system.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";

/** A cluster and pipelines without anything measured. */
export function systemOf(document: ScenarioDocument): System {
  return compileSystem(document, { profiles: {} });
}

export function documentOf(sections: {
  readonly pipelines: unknown;
  readonly replicas: unknown;
  readonly maxBatch?: number;
  readonly nodes?: unknown;
  /** Resources that a batch takes, and one of tasks of the model `heavy`. */
  readonly demands?: readonly [unknown, unknown];
}): ScenarioDocument {
  const [light, heavy] = sections.demands ?? [];
  const batch = { marginal: 0.5, max: sections.maxBatch ?? 64 };
  return scenarioSchema.parse({
    name: "contract",
    pipelines: sections.pipelines,
    models: {
      model: {
        service: { distribution: "exponential", meanMs: 10, batch },
        accuracy: 0.9,
        demand: light,
        stoppable: true,
      },
      other: { service: { distribution: "exponential", meanMs: 5, batch }, accuracy: 0.8 },
      heavy: { service: { distribution: "exponential", meanMs: 10, batch }, demand: heavy },
    },
    cluster: { replicas: sections.replicas, nodes: sections.nodes },
    workload: { arrivals: "burst", requests: 1 },
  });
}
