/**
 * Workers of virtual time behind links with faults. A worker runs the batches of each replica in turn, for the times
 * of the replay backend, and reads and writes the gateway's own messages; what it receives is checked: a replica
 * never has two batches of one stream at once.
 */
import { EventEmitter } from "node:events";
import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { InferStream, type InferStreamCall } from "../../cluster/protocol/client.ts";
import {
  controlOf,
  type ModelInferRequest,
  type ModelStreamInferResponse,
  startTimesOf,
} from "../../cluster/protocol/messages.ts";
import { answerOfError, lastAnswer } from "../../cluster/protocol/status.ts";
import type { WorkerChannel } from "../../cluster/run/worker-channel.ts";
import { answerOf, type Backend, batchOf } from "../../cluster/worker/backend.ts";
import { Fault } from "../../core/fault.ts";
import type { RandomStream } from "../../core/random/stream.ts";
import type { System } from "../../core/system.ts";
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
  ...{ delayMs: 0, jitterMs: 0, lost: 0, twice: 0, failing: 0 },
  unordered: false,
};

/** HTTP/2's keepalive finds a dead connection after so long. */
const KEEPALIVE_MS = 3000;
const OUTPUT = { text: Buffer.from('{"labels":[],"value":null}'), tensors: [] };
/** What `batchOf` and `answerOf` ask of a backend of replayed times. */
const REPLAY = { inputs: null, outputs: null } as Backend;

function failure(code: number, details: string): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata: new Metadata() });
}

interface Running {
  readonly call: VirtualCall;
  readonly request: ModelInferRequest;
  begun: boolean;
  unwanted: boolean;
  end: () => void;
}

export class VirtualWorker {
  readonly #world: VirtualWorld;
  readonly #system: System;
  readonly #numbers: ReadonlyMap<string, number>;
  readonly calls = new Set<VirtualCall>();
  readonly #watches = new Set<Watch>();
  /** By replica: what runs and waits there. */
  readonly #batches = new Map<string, Running[]>();
  isUp = true;
  /** Nothing passes in either direction, and nobody is told. */
  isCut = false;
  readonly #draining = new Set<string>();
  /** Attempts to connect, until packets pass. */
  readonly #connecting: (() => void)[] = [];

  constructor(world: VirtualWorld, system: System) {
    this.#world = world;
    this.#system = system;
    this.#numbers = new Map(system.replicas.map(({ name }, i) => [name, i]));
  }

  /** All it holds is gone, and its connections break. */
  die(): void {
    if (!this.isUp) return;
    this.isUp = false;
    for (const batches of this.#batches.values()) for (const { end } of batches) end();
    this.#batches.clear();
    this.#draining.clear();
    this.#break("the connection was reset");
  }

  rise(): void {
    this.isUp = true;
  }

  /** Half-open: connections of before never work again, and their ends hear of it by keepalive. */
  cut(): void {
    this.isCut = true;
    const lost = [...this.calls, ...this.#watches];
    this.#world.calendar.after(KEEPALIVE_MS, () => {
      for (const one of lost) one.fail("keepalive was not answered");
    });
  }

  heal(): void {
    this.isCut = false;
    for (const connect of this.#connecting.splice(0)) connect();
  }

  /** A connection is made once packets pass. */
  reached(connect: () => void): void {
    if (this.isCut) this.#connecting.push(connect);
    else connect();
  }

  get isConnecting(): boolean {
    return this.#connecting.length > 0;
  }

  /** The replica answers what it has and takes no more, until the worker says that it serves again. */
  drain(replica: string): void {
    if (!this.isUp) return;
    this.#draining.add(replica);
    for (const watch of this.#watches) if (watch.replica === replica) watch.tell("NOT_SERVING");
  }

  serve(replica: string): void {
    this.#draining.delete(replica);
    if (!this.isUp) return;
    for (const watch of this.#watches) if (watch.replica === replica) watch.tell("SERVING");
  }

  watch(watch: Watch): void {
    this.#watches.add(watch);
    watch.tell(this.#draining.has(watch.replica) ? "NOT_SERVING" : "SERVING");
  }

  leave(one: Watch | VirtualCall): void {
    if (one instanceof VirtualCall) {
      this.calls.delete(one);
      // A worker gives up the batches of a broken stream that have not begun.
      for (const batches of this.#batches.values())
        for (const batch of batches) if (batch.call === one) batch.unwanted = true;
    } else this.#watches.delete(one);
  }

  #break(reason: string): void {
    for (const one of [...this.calls, ...this.#watches]) one.fail(reason);
  }

  receive(call: VirtualCall, request: ModelInferRequest): void {
    const control = controlOf(request);
    const name = request.modelName;
    const batches = this.#batches.get(name) ?? [];
    this.#batches.set(name, batches);
    if (control === "load" || control === "evict") {
      const { calendar } = this.#world;
      const number = this.#numbers.get(name) as number;
      const { model } = this.#system.pools[this.#system.replicas[number].pool];
      const loadUs = this.#system.models.find((one) => one.name === model)?.loadUs ?? 0;
      calendar.after(control === "load" ? loadUs / 1000 : 0, () => {
        call.answer(lastAnswer({ modelName: name, id: request.id, outputs: [] }));
      });
      return;
    }
    if (control !== null) {
      const batch = batches.find((one) => one.call === call && one.request.id === request.id);
      if (batch === undefined) return;
      batch.unwanted = true;
      if (control === "preempt" && batch.begun) batch.end();
      return;
    }
    const others = batches.filter((one) => one.call === call && !one.unwanted);
    const { unordered, twice } = this.#world.faults;
    if (!unordered && twice === 0 && others.some(({ request: { id } }) => id !== request.id))
      this.#world.violated(`${name} got a batch while it had another of the same stream`);
    const running: Running = {
      call,
      request,
      begun: false,
      unwanted: false,
      end: () => undefined,
    };
    batches.push(running);
    if (batches.length === 1) this.#begin(name, batches);
  }

  #begin(name: string, batches: Running[]): void {
    const [running] = batches;
    const { calendar, chance, faults } = this.#world;
    const { request, call } = running;
    const done = (reply: ModelStreamInferResponse | null): void => {
      running.end = () => undefined;
      if (batches.shift() !== running) throw new Error("batches of a replica run in turn");
      if (reply !== null) call.answer(reply);
      if (batches.length > 0) this.#begin(name, batches);
    };
    if (running.unwanted) {
      done(answerOfError(request, { code: status.CANCELLED, details: "nobody waits for it" }));
      return;
    }
    const window = startTimesOf(request);
    if (window !== null && window.latestUs < 0) {
      done(answerOfError(request, { code: status.ABORTED, details: "its window passed" }));
      return;
    }
    running.begun = true;
    const { jobs, variate } = batchOf(request, REPLAY);
    const { service } = this.#system.replicas[this.#numbers.get(name) as number];
    const serviceUs = service.sampleUs(variate ?? 0, jobs.length);
    const isFailing = chance.uniform() < faults.failing;
    const alarm = calendar.set(calendar.nowUs() + serviceUs, () => {
      const outputs = jobs.map(() => OUTPUT);
      if (isFailing) {
        const code = chance.uniform() < 0.5 ? status.INTERNAL : status.INVALID_ARGUMENT;
        done(answerOfError(request, { code, details: "the model failed" }));
      } else done(lastAnswer(answerOf(name, request, { outputs, serviceUs }, REPLAY)));
    });
    running.end = () => {
      calendar.cancel(alarm);
      if (this.isUp) done(null);
    };
  }
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
class VirtualCall {
  readonly #events = new EventEmitter();
  readonly #worker: VirtualWorker;
  readonly #there: Way;
  readonly #back: Way;
  #isOver = false;

  constructor(world: VirtualWorld, worker: VirtualWorker) {
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

class Watch {
  readonly #events = new EventEmitter();
  readonly replica: string;
  readonly #worker: VirtualWorker;
  readonly #back: Way;
  #isOver = false;

  constructor(world: VirtualWorld, worker: VirtualWorker, replica: string) {
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

export function channelTo(world: VirtualWorld, worker: VirtualWorker): WorkerChannel {
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
