/**
 * AlpaServe: groups of devices serve models as pipelines. Which devices form groups, and which models each has, is
 * the scenario's `placement`: `planning/device-groups.ts` searches for it. While requests come, each joins the shortest
 * queue of its model's groups (`group-queues.ts`).
 */
import { defineController, packOf } from "../../rules/policy-definition.ts";
import { GroupQueues } from "./group-queues.ts";

const controller = defineController({
  name: "alpaserve",
  summary: "groups of devices serve models as pipelines: the shortest queue, in time or dropped",
  idea: "Model parallelism for statistical multiplexing: a group of devices serves each of its models as a pipeline, a stage on each device, so that the burst of one model has all of them. A job joins the shortest queue of its model's groups, and is dropped where it would be late.",
  reads:
    "Deadlines, expected times, and jobs on each group. The groups are the scenario's placement.",
  failsWhen:
    "SLOs are tight beside one model's time, which stages make longer; or load is near capacity, of which the overhead of stages takes a part.",
  source:
    "Li et al., AlpaServe, OSDI 2023, section 4.3; placement by `tandem schedulers --place`, section 4.2. Left out: splits within a layer (a profile may hold their times), stages of unequal time, and a new placement while requests come. Ours: batches as large as all of their deadlines allow.",
  create: (_, context) => new GroupQueues(context),
});

export const alpaserve = packOf(controller, {
  batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 0 },
});
