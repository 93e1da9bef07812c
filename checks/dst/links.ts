/** Links of virtual time: what a gateway sees of a worker, through ways with faults. */
import { EventEmitter } from "node:events";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { InferStream, type InferStreamCall } from "../../cluster/protocol/client.ts";
import type {
  ModelInferRequest,
  ModelStreamInferResponse,
} from "../../cluster/protocol/messages.ts";
import type { WorkerChannel } from "../../cluster/run/worker-channel.ts";
import { Fault } from "../../engine/basics/fault.ts";
import type { RandomStream } from "../../engine/random/stream.ts";
import type { Calendar } from "./calendar.ts";

/** Chances are for each message. */
export interface LinkFaults {
  /** Shortest way of a message, and what chance adds on average, ms. */
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly lost: number;
  readonly twice: number;
  /** Messages overtake each other. */
  readonly unordered: boolean;
  /** The chance that a batch fails on its worker. */
  readonly failing: number;
}

export const NO_FAULTS: LinkFaults = {
  delayMs: 0,
  jitterMs: 0,
  lost: 0,
  twice: 0,
  failing: 0,
  unordered: false,
};

function failure(code: number, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

/** A worker, as its links see it. */
interface LinkedWorker {
  readonly isUp: boolean;
  readonly isCut: boolean;
  /** Whether somebody tries to connect in vain. */
  readonly isConnecting: boolean;
  readonly calls: Set<VirtualCall>;
  reached(connect: () => void): void;
  receive(call: VirtualCall, request: ModelInferRequest): void;
  watch(watch: Watch): void;
  leave(one: Watch | VirtualCall): void;
}

/** The way between gateway and worker, for one direction of one connection. */
class Way {
  #lastUs = 0;
  readonly #world: VirtualWorld;

  constructor(world: VirtualWorld) {
    this.#world = world;
  }

  /** `loses`: whether a message may be lost or come twice; a connection's own news may not. */
  carry(arrive: () => void, loses: boolean): void {
    const { calendar, chance, faults } = this.#world;
    if (loses && chance.uniform() < faults.lost) return;
    const copies = loses && chance.uniform() < faults.twice ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const addedMs = faults.jitterMs * -Math.log(1 - chance.uniform());
      const atUs = calendar.nowUs() + Math.round(1000 * (faults.delayMs + addedMs));
      const inOrderUs = Math.max(atUs, this.#lastUs);
      this.#lastUs = inOrderUs;
      calendar.set(loses && faults.unordered ? atUs : inOrderUs, arrive);
    }
  }
}

/** A stream of batches as grpc-js shows it. */
export class VirtualCall {
  readonly #events = new EventEmitter();
  readonly #worker: LinkedWorker;
  readonly #there: Way;
  readonly #back: Way;
  #isOver = false;

  constructor(world: VirtualWorld, worker: LinkedWorker) {
    this.#worker = worker;
    this.#there = new Way(world);
    this.#back = new Way(world);
    const connect = (): void => {
      if (this.#isOver) return;
      if (!worker.isUp) {
        this.fail("connection refused");
        return;
      }
      worker.calls.add(this);
      this.#back.carry(() => {
        if (!this.#isOver) this.#events.emit("metadata");
      }, false);
    };
    this.#there.carry(() => worker.reached(connect), false);
  }

  on(event: string, heard: Parameters<EventEmitter["on"]>[1]): void {
    this.#events.on(event, heard);
  }

  write(request: ModelInferRequest): void {
    const sent = { ...request };
    this.#there.carry(() => {
      if (!this.#isOver && this.#isConnected()) this.#worker.receive(this, sent);
    }, true);
  }

  answer(message: ModelStreamInferResponse): void {
    if (!this.#isConnected()) return;
    this.#back.carry(() => {
      if (!this.#isOver && !this.#worker.isCut) this.#events.emit("data", message);
    }, true);
  }

  fail(reason: string): void {
    this.#worker.leave(this);
    this.#back.carry(() => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#events.emit("error", failure(status.UNAVAILABLE, reason));
    }, false);
  }

  cancel(): void {
    this.#isOver = true;
    this.#there.carry(() => this.#worker.leave(this), false);
  }

  #isConnected(): boolean {
    return this.#worker.calls.has(this) && !this.#worker.isCut;
  }
}

export class Watch {
  readonly #events = new EventEmitter();
  readonly replica: string;
  readonly #worker: LinkedWorker;
  readonly #back: Way;
  #isOver = false;

  constructor(world: VirtualWorld, worker: LinkedWorker, replica: string) {
    this.replica = replica;
    this.#worker = worker;
    this.#back = new Way(world);
    const connect = (): void => {
      if (this.#isOver) return;
      if (worker.isUp) worker.watch(this);
      else this.fail("connection refused");
    };
    new Way(world).carry(() => worker.reached(connect), false);
  }

  on(event: string, heard: Parameters<EventEmitter["on"]>[1]): void {
    this.#events.on(event, heard);
  }

  tell(health: string): void {
    this.#back.carry(() => {
      if (!this.#isOver && !this.#worker.isCut) this.#events.emit("data", { status: health });
    }, false);
  }

  fail(reason: string): void {
    this.#worker.leave(this);
    this.#back.carry(() => {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#events.emit("error", failure(status.UNAVAILABLE, reason));
    }, false);
  }

  cancel(): void {
    this.#isOver = true;
    this.#worker.leave(this);
  }
}

/** Calendar, chance and faults that all links share. */
export interface VirtualWorld {
  readonly calendar: Calendar;
  readonly chance: RandomStream;
  readonly faults: LinkFaults;
  /** Called with what must not happen. */
  readonly violated: (what: string) => void;
}

export function channelTo(world: VirtualWorld, worker: LinkedWorker): WorkerChannel {
  const open = new Set<{ cancel(): void }>();
  const asked = (): never => {
    throw new Fault("unavailable", "nobody operates workers of virtual time");
  };
  return {
    get isConnecting() {
      return worker.isConnecting;
    },
    watchHealth(replica) {
      const watch = new Watch(world, worker, replica);
      open.add(watch);
      return watch;
    },
    openStream(listener) {
      const call = new VirtualCall(world, worker);
      open.add(call);
      return new InferStream({ inferStream: () => call as unknown as InferStreamCall }, listener);
    },
    close(): void {
      for (const one of open) one.cancel();
    },
    modelMetadata: asked,
    loadModel: asked,
    unloadModel: asked,
    ask: asked,
  };
}
