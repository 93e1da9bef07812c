/** Clipper's answer to stragglers: joins go on without them. */
import { z } from "zod";
import { EventHeap } from "../../../engine/basics/priority-queues.ts";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import type { System } from "../../../engine/system/system.ts";
import { share } from "../../rules/parameters.ts";
import { defineController } from "../../rules/policy-definition.ts";

interface Due {
  readonly atUs: number;
  readonly request: number;
  readonly pipeline: number;
}

/** By pipeline: one member of each ensemble, and the tasks that join several. */
function joinsOf({ pipelines }: System): readonly (readonly number[])[] {
  return pipelines.map(({ tasks, ensembles }) => [
    ...ensembles.map(({ members }) => members[0]),
    ...tasks.flatMap(({ predecessors, ensemble }, task) =>
      predecessors.length > 1 && ensemble < 0 ? [task] : [],
    ),
  ]);
}

function proceeding(system: System, share: number, imputes: boolean): Controller {
  const joins = joinsOf(system);
  /** Requests with joins that have arrived since the last decision, and their pipelines. */
  const fresh = new Map<number, number>();
  /** By request. A slot is used again, so an entry of the queue counts only if it is here. */
  const open = new Map<number, Due>();
  const queue = new EventHeap<Due>();
  const enqueue = (request: number, pipeline: number, view: ClusterView): void => {
    const { arrivedUs, deadlineUs } = view.job(view.jobOf(request, 0));
    if (!Number.isFinite(deadlineUs)) return;
    const atUs = Math.ceil(arrivedUs + share * (deadlineUs - arrivedUs));
    const due = { atUs, request, pipeline };
    open.set(request, due);
    queue.add(due);
  };
  const decide = (view: ClusterView, act: Controls): void => {
    for (const [request, pipeline] of fresh) enqueue(request, pipeline, view);
    fresh.clear();
    for (;;) {
      const due = queue.first;
      const isOpen = due !== undefined && open.get(due.request) === due;
      if (due === undefined || (isOpen && due.atUs > view.nowUs)) break;
      queue.take();
      if (!isOpen) continue;
      open.delete(due.request);
      for (const task of joins[due.pipeline]) act.proceed(due.request, task, imputes);
    }
    act.wakeAt(0, queue.nextUs);
  };
  return {
    timers: 1,
    proceeds: true,
    imputes,
    decide,
    woken: (_timer, view, act) => decide(view, act),
    arrived(request, pipeline) {
      if (joins[pipeline].length > 0) fresh.set(request, pipeline);
    },
    ended(request) {
      fresh.delete(request);
      open.delete(request);
    },
  };
}

export const joinDeadline = defineController({
  name: "join-deadline",
  summary: "joins go on without stragglers when the request's time is up",
  idea: "At a request's deadline, or a share of the time until it, each of its joins starts with the predecessors that have run, or with the first that will. The answer of a predecessor that still waits or runs is imputed: the mean of its model's recent answers, or the most frequent one. Its waiting job then leaves its queue. An ensemble answers with the votes that have come, or with the first that will.",
  reads: "Deadlines; which predecessors of a join have run.",
  failsWhen:
    "An answer without all of its own parts is worth nothing, or requests have no deadline: then nothing happens.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 5.2.2 (straggler mitigation). Ours: a join waits for one real answer at least; `left-out` has no value in place of a missing one.",
  parameters: z.strictObject({
    share: share(1, "share of the time from arrival to deadline after which joins go on"),
    missing: z
      .enum(["imputed", "left-out"])
      .default("imputed")
      .describe("whether a straggler's answer is replaced by one like its model's recent answers"),
  }),
  create: ({ share, missing }, { system }) => proceeding(system, share, missing === "imputed"),
});
