/** The real gateway with replayed times, in a world of virtual time. */
import { Gateway } from "../../cluster/run/gateway.ts";
import type { ServiceBounds } from "../../cluster/run/specification.ts";
import { NO_ACCESS } from "../../cluster/security/client-access.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { type PlanProblem, planFor } from "../../schedulers/systems/accuracy-scaling/plan.ts";
import type { SimulationInputs } from "../../sim/replication.ts";
import type { CalendarClock } from "./calendar.ts";
import { channelTo, type VirtualWorld } from "./links.ts";
import type { VirtualWorker } from "./workers.ts";

export const INPUTS = { profiles: {}, traces: {} };

interface Setting {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly seed: string;
  readonly clock: CalendarClock;
  readonly world: VirtualWorld;
  readonly workers: readonly VirtualWorker[];
  /** By replica. */
  readonly workerOf: readonly number[];
  readonly bounds: Partial<ServiceBounds>;
}

export function virtualGateway(setting: Setting): Gateway {
  const { document, inputs, seed, clock, world, workers, workerOf, bounds } = setting;
  const replicas = workerOf.map((worker, replica) => ({ replica, address: `${worker}` }));
  return new Gateway(
    {
      id: "virtual",
      document,
      inputs,
      backend: "replay",
      seed,
      timeScale: 1,
      host: "",
      grpcPort: 0,
      httpPort: 0,
      spareReplicas: 0,
      replicas,
      bounds,
      security: { certificates: null, tokens: null },
      origins: [],
      workerCertificates: null,
      controlFile: null,
      trace: null,
      record: null,
    },
    () => NO_ACCESS,
    {
      world: {
        clock,
        connect: (address) => channelTo(world, workers[Number(address)]),
        solve: (problem, solved) => solved(planFor(problem as PlanProblem)),
        close: async () => undefined,
      },
    },
  );
}
