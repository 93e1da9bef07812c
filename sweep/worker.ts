/** Entry point of a simulation thread. The scenario's measured data come once, as worker data. */
import { workerData } from "node:worker_threads";
import type { SimulationInputs } from "../sim/replication.ts";
import {
  type BlockResult,
  type ReplicationBlock,
  simulateBlock,
} from "./simulate-configuration.ts";

const inputs = workerData as SimulationInputs;

export function simulate(block: ReplicationBlock): BlockResult {
  return simulateBlock(block, inputs);
}
