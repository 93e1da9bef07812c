/** The functions of the library that need Node, by name; each loads what it needs when it is called. */
import type { calibrate } from "./calibrate.ts";
import type { clusterAdd, clusterNow, clusterOff, clusterOn, clusterRemove } from "./cluster.ts";
import type { explain } from "./explain.ts";
import type { load } from "./load.ts";
import type { plan } from "./plan.ts";
import type { query } from "./query.ts";
import type { report } from "./report.ts";
import type { simulate, sweep } from "./sweep.ts";
import type { validate } from "./validation.ts";

export interface Work {
  readonly calibrate: typeof calibrate;
  readonly clusterAdd: typeof clusterAdd;
  readonly clusterRemove: typeof clusterRemove;
  readonly clusterUp: typeof clusterOn;
  readonly clusterStatus: typeof clusterNow;
  readonly clusterDown: typeof clusterOff;
  readonly explain: typeof explain;
  readonly load: typeof load;
  readonly plan: typeof plan;
  readonly query: typeof query;
  readonly report: typeof report;
  readonly simulate: typeof simulate;
  readonly sweep: typeof sweep;
  readonly validate: typeof validate;
}

export const WORK: Work = {
  calibrate: async (...given) => (await import("./calibrate.ts")).calibrate(...given),
  clusterAdd: async (...given) => (await import("./cluster.ts")).clusterAdd(...given),
  clusterRemove: async (...given) => (await import("./cluster.ts")).clusterRemove(...given),
  clusterUp: async (...given) => (await import("./cluster.ts")).clusterOn(...given),
  clusterStatus: async (...given) => (await import("./cluster.ts")).clusterNow(...given),
  clusterDown: async (...given) => (await import("./cluster.ts")).clusterOff(...given),
  explain: async (...given) => (await import("./explain.ts")).explain(...given),
  load: async (...given) => (await import("./load.ts")).load(...given),
  plan: async (...given) => (await import("./plan.ts")).plan(...given),
  query: async (...given) => (await import("./query.ts")).query(...given),
  report: async (...given) => (await import("./report.ts")).report(...given),
  simulate: async (...given) => (await import("./sweep.ts")).simulate(...given),
  sweep: async (...given) => (await import("./sweep.ts")).sweep(...given),
  validate: async (...given) => (await import("./validation.ts")).validate(...given),
};
