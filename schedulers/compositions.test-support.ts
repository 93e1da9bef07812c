/** Every composition of the registry's policies, for tests that must hold under all of them. */

import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import type { Decision } from "../scenario/schema/scheduler.ts";
import { POLICIES } from "./registry.ts";
import type { PolicyChoice } from "./rules/policy-definition.ts";

/** Policies whose parameters have no defaults, or whose defaults would hardly ever show. */
const PARAMETERS: Readonly<Record<string, PolicyChoice>> = {
  "power-of-two": { policy: "power-of-two", cap: 2 },
  bounded: { policy: "bounded", maxInSystem: 3 },
  "size-or-timeout": { policy: "size-or-timeout", maxBatch: 3, waitMs: 0.02 },
  "preferred-sizes": { policy: "preferred-sizes", maxBatch: 3, preferred: [2, 3], delayMs: 0.02 },
};

const choices = (decision: Decision): readonly PolicyChoice[] =>
  POLICIES[decision].map(({ name }) => PARAMETERS[name] ?? name);

export const COMPOSITIONS: readonly SchedulerDocument[] = choices("admission").flatMap(
  (admission) =>
    choices("routing").flatMap((routing) =>
      choices("ordering").flatMap((ordering) =>
        choices("batching").map((batching) => ({ admission, routing, ordering, batching })),
      ),
    ),
);
