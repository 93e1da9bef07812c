/**
 * Weighted fair queueing over pipelines that share tasks: while all of them wait, each gets a share of
 * the replicas in proportion to its weight, however much the others send.
 *
 * Start-time fair queueing: Goyal, Vin, Cheng, "Start-time Fair Queueing", SIGCOMM 1996, section 2.
 * Each job gets a start tag, S = max(V, F of its pipeline's last job), and F = S + work / weight. The
 * waiting job with the least S starts first, and V is the S of the job that started last.
 *
 * The file is one function of Tandem's tools. It imports nothing, so it works wherever it lies.
 *
 * @type {import("tandem-serving").OwnSchedulerFile}
 */
const fairQueue = ({ defineController, z }) => ({
  // A decision that is not named here is that of `fifo`. A rule has its own place: `ordering`,
  // `batching`, `routing`, … A controller hears events, and gives commands for all tasks at once.
  controller: defineController({
    name: "fair-queue",
    summary: "each pipeline gets its share of every task",
    // Values come from the scenario: `scheduler: { file, parameters: { weights: { gold: 3 } } }`.
    // A sweep can vary them: `scheduler.parameters.weights.gold: [1, 3, 9]`.
    parameters: z.strictObject({
      weights: z
        .record(z.string(), z.number().positive())
        .default({})
        .describe("weight by pipeline; default: 1 each"),
    }),
    // Once for each run. All state lives here: the next run starts with fresh state.
    create({ weights }, { system }) {
      const weightOf = system.pipelines.map(({ name }) => weights[name] ?? 1);
      const tasks = system.pools.map((pool) => ({
        ...pool,
        /** V: the start tag of the job that started last. */
        virtual: 0,
        /** F of each pipeline's last job. */
        finish: system.pipelines.map(() => 0),
        /** S by waiting job. @type {Map<number, number>} */
        tags: new Map(),
      }));
      return {
        // Jobs of these tasks wait until this controller starts them.
        pools: tasks.map((_, task) => task),

        // Heard for each job that waits, for the first time or again after a replica was lost.
        queued(job, pool) {
          const task = tasks[pool];
          const { pipeline } = job;
          const start = Math.max(task.virtual, task.finish[pipeline]);
          task.finish[pipeline] = start + 1 / weightOf[pipeline];
          // `job` is a cursor that moves on: keep its numbers, never the object.
          task.tags.set(job.job, start);
        },

        // At the end of each instant with news: commands are given here.
        decide(view, act) {
          tasks.forEach((task, pool) => {
            for (let replica = task.first; replica < task.first + task.count; replica++) {
              if (!view.isUp(replica) || view.running(replica) > 0) continue;
              const next = least(view.jobsIn(pool), task.tags);
              if (next === undefined) return;
              task.virtual = Math.max(task.virtual, task.tags.get(next) ?? 0);
              act.start(replica, [next]);
            }
          });
        },
      };
    },
  }),
});

/** The waiting job with the least tag; of equal ones, the one that has waited longest. */
function least(/** @type {readonly number[]} */ jobs, /** @type {Map<number, number>} */ tags) {
  let best;
  for (const job of jobs) {
    if (best === undefined || (tags.get(job) ?? 0) < (tags.get(best) ?? 0)) best = job;
  }
  return best;
}

export default fairQueue;
