/** A scheduler that the cluster does not run as predicted: there, one replica of each task is left idle. */

export const ONE_REPLICA_LESS = {
  file: "one-replica-less.mjs",
  text: `export default ({ defineController, z }) => ({
  controller: defineController({
    name: "one-replica-less",
    summary: "first come, first served; on a gateway, one replica of each task is idle",
    parameters: z.strictObject({}),
    create: (_, { system }) => ({
      pools: system.pools.map((_, pool) => pool),
      decide(view, act) {
        // The process of the command predicts; the gateway is another.
        const idle = process.argv.includes("validate") ? 0 : 1;
        system.pools.forEach(({ first, count }, pool) => {
          for (let replica = first; replica < first + count - idle; replica++) {
            if (!view.isUp(replica) || view.running(replica) > 0) continue;
            const [next] = view.jobsIn(pool);
            if (next === undefined) return;
            act.start(replica, [next]);
          }
        });
      },
    }),
  }),
});
`,
} as const;
