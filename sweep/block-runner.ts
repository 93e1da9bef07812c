/** Runs blocks of replications: on the calling thread, or on a pool of threads. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Piscina } from "piscina";
import type { SimulationInputs } from "../sim/replication.ts";
import {
  type BlockResult,
  type ReplicationBlock,
  simulateBlock,
} from "./simulate-configuration.ts";

export interface BlockRunner {
  run(block: ReplicationBlock): Promise<BlockResult>;
  close(): Promise<void>;
}

/** Results do not depend on `threads`. One thread means the caller's own. */
export async function blockRunner(inputs: SimulationInputs, threads: number): Promise<BlockRunner> {
  if (threads <= 1) {
    return {
      run: async (block) => {
        // Lets signals and the progress bar have their turn between blocks.
        await new Promise((resolve) => setImmediate(resolve));
        return simulateBlock(block, inputs);
      },
      close: async () => undefined,
    };
  }
  const { Piscina } = await import("piscina");
  const pool: Piscina = new Piscina({
    filename: workerFile(),
    name: "simulate",
    minThreads: threads,
    maxThreads: threads,
    workerData: inputs,
  });
  return {
    run: (block) => pool.run(block) as Promise<BlockResult>,
    close: () => pool.destroy(),
  };
}

/** Threads need compiled code: beside this file, or in dist/ when this runs from source. */
function workerFile(): string {
  const beside = fileURLToPath(new URL("./worker.js", import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL("../dist/sweep/worker.js", import.meta.url));
}
