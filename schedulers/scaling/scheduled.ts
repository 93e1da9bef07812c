import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

const step = z.strictObject({
  atS: z.number().nonnegative().max(1e9).describe("start of the step, in s from the run's start"),
  replicas: z.int().nonnegative().max(100_000).describe("replicas from then on"),
});

export const scheduled = definePolicy({
  name: "scheduled",
  summary: "so many replicas from given instants on",
  idea: "So many replicas from given instants on, every period anew.",
  reads: "The time.",
  failsWhen: "The load keeps no timetable.",
  source: "AWS Auto Scaling, scheduled actions.",
  parameters: z
    .strictObject({
      steps: z
        .array(step)
        .min(1)
        .meta({
          description: "list of { atS, replicas }: so many replicas from atS on, in order of time",
          examples: [
            [
              { atS: 0, replicas: 2 },
              { atS: 3600, replicas: 6 },
            ],
          ],
        }),
      periodS: z
        .number()
        .positive()
        .max(1e9)
        .optional()
        .describe("the steps repeat after so many s; default: never"),
      ...scalingBounds({ intervalS: 1, downWindowS: 0 }),
    })
    .refine(({ steps }) => steps.every(({ atS }, i) => i === 0 || atS > steps[i - 1].atS), {
      path: ["steps"],
      message: "instants in ascending order",
    })
    .refine(
      ({ steps, periodS }) => periodS === undefined || steps[steps.length - 1].atS < periodS,
      {
        path: ["periodS"],
        message: "a period after the last step",
      },
    ),
  create: ({ steps, periodS, ...bounds }): Scaling => {
    const before = periodS === undefined ? bounds.min : steps[steps.length - 1].replicas;
    const at = (nowS: number): number => {
      const inPeriodS = periodS === undefined ? nowS : nowS % periodS;
      return steps.findLast(({ atS }) => atS <= inPeriodS)?.replicas ?? before;
    };
    return {
      ...boundsOf({ start: at(0), ...bounds }),
      replicas: ({ nowUs }) => at(nowUs / 1e6),
    };
  },
});
