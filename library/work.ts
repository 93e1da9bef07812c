/** The functions of the library that need Node, by name; each is loaded when it is called. */
export const WORK = {
  calibrate: async () => (await import("./calibrate.ts")).calibrate,
  cancelShards: async () => (await import("./shards.ts")).cancelShards,
  check: async () => (await import("./check.ts")).check,
  clusterAdd: async () => (await import("../cluster/deploy/state.ts")).clusterAdd,
  clusterCerts: async () =>
    (await import("../cluster/security/certificate-files.ts")).writeCertificates,
  clusterDown: async () => (await import("../cluster/deploy/state.ts")).clusterDown,
  clusterRemove: async () => (await import("../cluster/deploy/state.ts")).clusterRemove,
  clusterServe: async () => (await import("./cluster.ts")).clusterServe,
  clusterStatus: async () => (await import("../cluster/deploy/state.ts")).clusterStatus,
  clusterToken: async () => (await import("./cluster.ts")).clusterToken,
  clusterUp: async () => (await import("./cluster.ts")).clusterOn,
  compare: async () => (await import("./compare.ts")).compare,
  doctor: async () => (await import("./doctor.ts")).doctor,
  explain: async () => (await import("./explain.ts")).explain,
  fitToMachine: async () => (await import("./fit-to-machine.ts")).fitToMachine,
  hostWarnings: async () => (await import("./check-host.ts")).hostWarnings,
  importTimes: async () => (await import("./import-times.ts")).importTimes,
  load: async () => (await import("./load.ts")).load,
  plan: async () => (await import("./plan.ts")).plan,
  prepareModels: async () => (await import("./prepare-models.ts")).prepareModels,
  query: async () => (await import("../sweep/query.ts")).query,
  report: async () => (await import("./report.ts")).report,
  runOneShard: async () => (await import("./shards.ts")).runOneShard,
  runShards: async () => (await import("./shard-jobs.ts")).runShards,
  shardsStatus: async () => (await import("./shards.ts")).shardsStatus,
  simulate: async () => (await import("./sweep.ts")).simulate,
  sweep: async () => (await import("./sweep.ts")).sweep,
  trace: async () => (await import("./run-trace.ts")).trace,
  validate: async () => (await import("./validate.ts")).validate,
};

export type WorkName = keyof typeof WORK;

/** A function of the library. */
export type Work<Name extends WorkName> = Awaited<ReturnType<(typeof WORK)[Name]>>;
