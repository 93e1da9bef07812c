/**
 * Workers of virtual time behind links with faults. A worker runs the batches of each replica in turn, for the times
 * of the replay backend, and reads and writes the gateway's own messages; what it receives is checked: a replica
 * never has two batches of one stream at once.
 */
import { status } from "@grpc/grpc-js";
import {
  controlOf,
  keptOf,
  type ModelInferRequest,
  type ModelStreamInferResponse,
  startTimesOf,
  type WrittenPart,
  withFinality,
  writtenParameters,
} from "../../cluster/protocol/messages.ts";
import { answerOfError, lastAnswer, statusOf } from "../../cluster/protocol/status.ts";
import { answerOf, type Backend, batchOf } from "../../cluster/worker/backend.ts";
import { DeviceSlot, type SlotTurn } from "../../cluster/worker/device-slot.ts";
import { EngineHost } from "../../cluster/worker/engine-host.ts";
import { prefixesOf } from "../../cluster/worker/open-backend.ts";
import { replayedSteps } from "../../cluster/worker/replayed-steps.ts";
import type { System } from "../../engine/system/system.ts";
import { VirtualCall, type VirtualWorld, type Watch } from "./links.ts";

/** HTTP/2's keepalive finds a dead connection after so long. */
const KEEPALIVE_MS = 3000;
const OUTPUT = { text: Buffer.from('{"labels":[],"value":null}'), tensors: [] };
/** What `batchOf` and `answerOf` ask of a backend of replayed times. */
const REPLAY = { inputs: null, outputs: null } as Backend;

interface Running {
  readonly call: VirtualCall;
  readonly request: ModelInferRequest;
  /** Its wait for the device slot; null: it may start at any time. */
  readonly turn: SlotTurn | null;
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
  /** By the system's number. */
  readonly #slots = new Map<number, DeviceSlot>();
  /** Engines of language models by the system's number of their slot, and their places by replica. */
  readonly #engines = new Map<number, EngineHost>();
  readonly #places = new Map<string, Backend>();
  /** Attempts to connect, until packets pass. */
  readonly #connecting: (() => void)[] = [];

  constructor(world: VirtualWorld, system: System) {
    this.#world = world;
    this.#system = system;
    this.#numbers = new Map(system.replicas.map(({ name }, i) => [name, i]));
  }

  /** Slots of engines that hold a sequence, or blocks of nobody. */
  get taken(): readonly number[] {
    return [...this.#engines].flatMap(([slot, engine]) => (engine.isIdle ? [] : [slot]));
  }

  /** All it holds is gone, and its connections break. */
  die(): void {
    if (!this.isUp) return;
    this.isUp = false;
    for (const batches of this.#batches.values()) {
      for (const { end, turn } of batches) {
        end();
        turn?.giveUp();
      }
    }
    this.#batches.clear();
    this.#slots.clear();
    this.#engines.clear();
    this.#places.clear();
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
        for (const batch of batches) if (batch.call === one) this.#giveUp(batch);
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
    if (control === "free") {
      this.#places.get(name)?.free?.(keptOf(request));
      call.answer(lastAnswer({ modelName: name, id: request.id, outputs: [] }));
      return;
    }
    if (control !== null) {
      const batch = batches.find((one) => one.call === call && one.request.id === request.id);
      if (batch === undefined) return;
      this.#giveUp(batch);
      if (control === "preempt" && batch.begun) batch.end();
      else if (control === "preempt") batch.turn?.giveUp();
      return;
    }
    const others = batches.filter((one) => one.call === call && !one.unwanted);
    const { unordered, twice } = this.#world.faults;
    if (!unordered && twice === 0 && others.some(({ request: { id } }) => id !== request.id))
      this.#world.violated(`${name} got a batch while it had another of the same stream`);
    const window = startTimesOf(request);
    const running: Running = {
      call,
      request,
      begun: false,
      unwanted: false,
      end: () => undefined,
      turn: window === null ? null : this.#slotOf(name).enter(window),
    };
    batches.push(running);
    if (batches.length === 1) this.#next(name, batches);
  }

  /** A language model leaves off at once. */
  #giveUp(batch: Running): void {
    batch.unwanted = true;
    if (batch.begun && this.#places.has(batch.request.modelName)) batch.end();
  }

  /** Null for a replica that is no place of a language model's engine. */
  #placeOf(name: string): Backend | null {
    const { slot, pool } = this.#system.replicas[this.#numbers.get(name) as number];
    const { sharing } = this.#system.devices[slot];
    if (sharing?.kind !== "iterations" || sharing.pool !== pool) return null;
    const { calendar } = this.#world;
    const steps = replayedSteps(sharing.stepTimes, 1, calendar);
    const prefixOf = prefixesOf(this.#system, pool);
    const engine =
      this.#engines.get(slot) ?? new EngineHost(sharing, steps, calendar, { prefixOf });
    this.#engines.set(slot, engine);
    const place = this.#places.get(name) ?? engine.place();
    this.#places.set(name, place);
    return place;
  }

  #write(running: Running, place: Backend, done: (reply: ModelStreamInferResponse) => void): void {
    const { request, call } = running;
    const { modelName, id = "" } = request;
    const told = (part: WrittenPart): void => {
      const response = { modelName, id, parameters: writtenParameters(part), outputs: [] };
      call.answer({ inferResponse: withFinality(response, false) });
    };
    const failed = (error: unknown): void => {
      if (this.isUp) done(answerOfError(request, statusOf(error)));
    };
    running.end = () => place.stop?.();
    try {
      place.run(batchOf(request, REPLAY), told).then((result) => {
        if (this.isUp) done(lastAnswer(answerOf(modelName, request, result, REPLAY)));
      }, failed);
    } catch (error) {
      failed(error);
    }
  }

  #slotOf(name: string): DeviceSlot {
    const { slot } = this.#system.replicas[this.#numbers.get(name) as number];
    const known = this.#slots.get(slot) ?? new DeviceSlot(this.#world.calendar);
    this.#slots.set(slot, known);
    return known;
  }

  /** The next batch of a replica waits for its slot. */
  #next(name: string, batches: Running[]): void {
    const [{ turn }] = batches;
    if (turn === null) this.#begin(name, batches, true);
    else
      void turn.begun.then((isInTime) => {
        if (this.isUp && this.#batches.get(name) === batches) this.#begin(name, batches, isInTime);
      });
  }

  #begin(name: string, batches: Running[], isInTime: boolean): void {
    const [running] = batches;
    const { calendar, chance, faults } = this.#world;
    const { request, call } = running;
    const done = (reply: ModelStreamInferResponse | null): void => {
      running.end = () => undefined;
      running.turn?.release();
      if (batches.shift() !== running) throw new Error("batches of a replica run in turn");
      if (reply !== null) call.answer(reply);
      if (batches.length > 0) this.#next(name, batches);
    };
    if (running.unwanted) {
      done(answerOfError(request, { code: status.CANCELLED, details: "nobody waits for it" }));
      return;
    }
    if (!isInTime) {
      done(answerOfError(request, { code: status.ABORTED, details: "its window passed" }));
      return;
    }
    running.begun = true;
    const place = this.#placeOf(name);
    if (place !== null) {
      this.#write(running, place, done);
      return;
    }
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
