/** A gateway's code stands on a clock, links to workers, and a solver. */
import { InferenceClient } from "../protocol/client.ts";
import { BATCH_CHANNEL } from "../protocol/infer-codec.ts";
import type { ClientAccess } from "../security/client-access.ts";
import { type Clock, machineClock, PreciseTimer } from "../time/clock.ts";
import { type Solve, SolverThread } from "./solver-thread.ts";
import type { WorkerChannel } from "./worker-channel.ts";

export interface World {
  readonly clock: Clock;
  /** A new connection to a worker. */
  readonly connect: (address: string) => WorkerChannel;
  readonly solve: Solve;
  readonly close: () => Promise<void>;
}

/** This machine's. `warn` hears why a solver has failed. */
export function machineWorld(access: () => ClientAccess, warn: (message: string) => void): World {
  const alarms = new PreciseTimer();
  const solver = new SolverThread(warn);
  return {
    clock: machineClock(alarms),
    connect: (address) => new InferenceClient(address, access(), BATCH_CHANNEL),
    solve: solver.solve,
    close: async () => {
      await alarms.close();
      await solver.close();
    },
  };
}
