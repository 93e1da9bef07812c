/** The gates of the pipelines whose requests each hold a chain of replicas. */
import { listOf } from "../hot-path.ts";
import type { System } from "../system.ts";
import { ChainGate } from "./chain-gate.ts";
import type { PoolBoard } from "./pool-board.ts";
import { isHeld } from "./pool-kinds.ts";
import type { RequestTable } from "./request-table.ts";
import type { Steps } from "./steps.ts";

const NONE = -1;

/** What a request that is let in does next. */
export interface LetIn {
  /** A task's inputs are there. */
  ready(request: number, task: number, nowUs: number): void;
}

export class HeldChains {
  /** Whether some pipeline holds chains. */
  declare readonly any: boolean;
  declare private readonly system: System;
  declare private readonly requests: RequestTable;
  declare private readonly steps: Steps;
  declare private readonly board: PoolBoard;
  /** By pipeline; null unless its requests hold chains. */
  declare private readonly gates: readonly (ChainGate | null)[];

  constructor(system: System, requests: RequestTable, steps: Steps, board: PoolBoard) {
    const firstGate = system.pools.length + system.replicas.length;
    this.any = system.pipelines.some(({ held }) => held);
    this.system = system;
    this.requests = requests;
    this.steps = steps;
    this.board = board;
    this.gates = listOf(system.pipelines, ({ held, chains, tasks }, id) =>
      held ? new ChainGate(firstGate + id, board.queues, requests, chains, tasks.length) : null,
    );
  }

  /** A request arrives; false when its pipeline has no gate. */
  arrive(request: number, flow: LetIn, nowUs: number): boolean {
    const gate = this.gateOf(request);
    if (gate === null) return false;
    gate.arrive(request, nowUs);
    this.open(gate, flow, nowUs);
    return true;
  }

  /** A request is over. */
  leave(request: number, flow: LetIn, nowUs: number): void {
    const gate = this.gateOf(request);
    if (gate?.leave(request)) this.open(gate, flow, nowUs);
  }

  /** A job whose request has no chain waits at the gate. */
  park(request: number, job: number): void {
    this.gateOf(request)?.park(request, job);
  }

  /** A replica has joined (`isUp`) or left. */
  changed(pool: number, replica: number, isUp: boolean, flow: LetIn, nowUs: number): void {
    if (!this.any || !isHeld(this.system, pool)) return;
    const chain = replica - this.system.pools[pool].first;
    this.system.pipelines.forEach(({ tasks }, pipeline) => {
      const gate = this.gates[pipeline];
      if (gate === null || tasks.every((task) => task.pool !== pool)) return;
      if (isUp) gate.joined(chain);
      else gate.lost(chain);
      this.open(gate, flow, nowUs);
    });
  }

  private gateOf(request: number): ChainGate | null {
    return this.gates[this.requests.pipeline[request]];
  }

  private open(gate: ChainGate, flow: LetIn, nowUs: number): void {
    if (gate.opening) return;
    gate.opening = true;
    const { pipeline, shift } = this.requests;
    while (gate.hasFree && gate.nextDisplaced !== NONE) {
      const request = gate.nextDisplaced;
      const first = pipeline[request] << shift;
      for (const job of gate.grant(request)) {
        this.board.enqueue(job, this.steps.at[first + this.requests.taskOf(job)].pool);
      }
    }
    while (gate.hasFree && gate.outsideCount > 0) this.letIn(gate, gate.next(), flow, nowUs);
    gate.opening = false;
  }

  private letIn(gate: ChainGate, request: number, flow: LetIn, nowUs: number): void {
    const table = this.requests;
    const { entries } = this.steps.pipelines[table.pipeline[request]];
    const base = request << table.shift;
    const arrivedAtGateUs = table.enqueuedUs[base];
    gate.grant(request);
    for (let i = 0; i < entries.length && table.isOpen(request); i++) {
      flow.ready(request, entries[i], nowUs);
      table.enqueuedUs[base + entries[i]] = arrivedAtGateUs;
    }
  }
}
