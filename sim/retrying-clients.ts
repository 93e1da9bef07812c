/**
 * Clients that give up an attempt after a time, and try again after a pause.
 *
 *   request ─> attempt ─ answered in time ──────────────────────────────> completed
 *                 ├── timed out, refused, dropped, failed ─ retries left ─> pause ─> attempt …
 *                 └── the same, without ─────────────────────────────────> ended as the last attempt
 *
 * To the dispatcher each attempt is a request of its own; to the recorder only the client's request is
 * one, from its first arrival to its end. An attempt has the draws of the first: the same input takes
 * the same branches and the same work. Arrivals come in as requests, and go on to the entrance as
 * attempts.
 */

import { type ArrivalSource, RetryPolicy } from "../engine/arrivals/sources.ts";
import type { Client } from "../engine/arrivals/workload.ts";
import { EventHeap } from "../engine/basics/priority-queues.ts";
import type { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type { Outcome } from "../engine/dispatch/driver.ts";
import type { RunRecorder } from "../engine/metrics/recorder.ts";
import type { Written } from "../engine/metrics/token-tally.ts";
import type { DrawnRequest, DrawnRequests } from "./drawn-requests.ts";
import type { Entrance, EventSource } from "./executors/executor.ts";

/** The simulation, as clients need it. */
interface ClientHost {
  readonly arrivals: ArrivalSource;
  readonly recorder: RunRecorder;
  readonly drawn: Pick<DrawnRequests, "drawnFor" | "goalUs" | "reserveFor">;
}

interface Call {
  readonly serial: number;
  readonly pipeline: number;
  /** The first attempt's. */
  readonly arrivedUs: number;
  readonly jitter: Float64Array;
  readonly goalUs: number;
  drawn: DrawnRequest | null;
  /** Attempts before this one. */
  retry: number;
  sentUs: number;
  /** Slot of the attempt that the client waits for, or NONE. */
  slot: number;
}

interface Alarm {
  readonly atUs: number;
  readonly call: Call;
  readonly kind: "timeout" | "retry";
  readonly retry: number;
}

const NONE = -1;
/** So many time-outs of attempts that are over may be kept, or half of all. */
const MOST_STALE = 1024;

export class RetryingClients implements Entrance {
  readonly #client: Client;
  readonly #host: ClientHost;
  readonly #dispatcher: Dispatcher;
  readonly #entrance: Entrance;
  readonly #timeoutUs: number;
  readonly #policy: RetryPolicy;
  readonly #alarms = new EventHeap<Alarm>();
  /** By slot. */
  readonly #calls: (Call | undefined)[] = [];
  /** Attempts given up on their way to the gateway. */
  readonly #gone = new Set<number>();
  /** Time-outs among the alarms whose attempts are over. */
  #stale = 0;

  constructor(
    client: Client,
    host: ClientHost,
    seed: string,
    dispatcher: Dispatcher,
    entrance: Entrance,
  ) {
    this.#client = client;
    this.#host = host;
    this.#dispatcher = dispatcher;
    this.#entrance = entrance;
    this.#timeoutUs = Math.max(1, Math.round(client.timeoutMs * 1000));
    this.#policy = new RetryPolicy(client, seed);
  }

  /** The executor's events and the clients' alarms, in order of time. */
  interleaved(executor: EventSource): EventSource {
    return {
      nextUs: () => Math.min(executor.nextUs(), this.#alarms.nextUs),
      fire: (nowUs) => {
        let replica = NONE;
        if (executor.nextUs() === nowUs) replica = executor.fire(nowUs);
        else this.#ring(this.#alarms.take(), nowUs);
        if (this.#gone.size > 0) this.#cancelGone(nowUs);
        return replica;
      },
      settle: (nowUs) => executor.settle(nowUs),
    };
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    const { sloUs, deadlineMs } = this.#dispatcher.system.pipelines[pipeline];
    const call: Call = {
      serial: this.#dispatcher.requests.serial[request],
      pipeline,
      arrivedUs: nowUs,
      jitter: this.#policy.arrived(),
      goalUs: deadlineMs === null ? sloUs : this.#host.drawn.goalUs(pipeline),
      drawn: null,
      retry: 0,
      sentUs: nowUs,
      slot: request,
    };
    this.#send(call, request, nowUs);
  }

  answerUs(request: number): number {
    return this.#entrance.answerUs(request);
  }

  #send(call: Call, slot: number, nowUs: number): void {
    call.slot = slot;
    call.sentUs = nowUs;
    this.#calls[slot] = call;
    const { retry } = call;
    this.#alarms.add({ atUs: nowUs + this.#timeoutUs, call, kind: "timeout", retry });
    this.#entrance.arrive(slot, call.pipeline, nowUs);
  }

  #ring({ call, kind, retry }: Alarm, nowUs: number): void {
    if (kind === "retry")
      this.#send(call, this.#host.drawn.reserveFor(call.drawn as DrawnRequest), nowUs);
    else if (isAwaited(call, retry)) this.#timedOut(call, nowUs);
    else this.#stale--;
  }

  /** An attempt is over before its time-out; where answers are quick, most time-outs are of such. */
  #overBeforeTimeout(call: Call): void {
    call.slot = NONE;
    this.#stale++;
    if (this.#stale < MOST_STALE || 2 * this.#stale < this.#alarms.size) return;
    this.#alarms.retain(({ kind, call, retry }) => kind === "retry" || isAwaited(call, retry));
    this.#stale = 0;
  }

  #timedOut(call: Call, nowUs: number): void {
    const { slot } = call;
    // Its answer may be on the way, and another request in its slot.
    const open = this.#calls[slot] === call;
    if (open) call.drawn ??= this.#host.drawn.drawnFor(slot);
    call.slot = NONE;
    if (open && this.#client.cancels) {
      if (!this.#dispatcher.requests.isOpen(slot)) this.#gone.add(slot);
      else this.#dispatcher.cancel(slot, "cancelled", nowUs);
    }
    this.#goOn(call, "cancelled", nowUs);
  }

  #cancelGone(nowUs: number): void {
    for (const slot of this.#gone) {
      if (!this.#dispatcher.requests.isOpen(slot)) continue;
      this.#gone.delete(slot);
      this.#dispatcher.cancel(slot, "cancelled", nowUs);
    }
  }

  /** The dispatcher has ended an attempt, for which language models wrote that. */
  ended(slot: number, outcome: Outcome, nowUs: number, written: Written | null): void {
    const call = this.#calls[slot] as Call;
    this.#calls[slot] = undefined;
    this.#gone.delete(slot);
    if (call.slot !== slot) return;
    const knownUs = nowUs + this.#entrance.answerUs(slot);
    call.drawn ??= this.#host.drawn.drawnFor(slot);
    // An answer that comes too late is none: the time-out will ring.
    if (knownUs > call.sentUs + this.#timeoutUs) return;
    this.#overBeforeTimeout(call);
    if (outcome === "completed") {
      const { requests, answers } = this.#dispatcher;
      const accuracy = requests.accuracy[slot];
      const made = answers.of(slot);
      const { answers: rated, tokens } = this.#host.recorder;
      rated?.completed(call.pipeline, call.arrivedUs, accuracy, made);
      tokens?.completed(call.arrivedUs, written);
      this.#end(call, outcome, nowUs, knownUs, tokens?.isLate(call.pipeline, written));
    } else this.#goOn(call, outcome, nowUs, knownUs);
  }

  /** An attempt came to nothing, and its client knows. */
  #goOn(call: Call, outcome: Outcome, nowUs: number, knownUs = nowUs): void {
    const pauseUs = this.#policy.pauseUs(call.retry, call.jitter);
    if (pauseUs === null) {
      this.#end(call, outcome, nowUs, knownUs);
      return;
    }
    call.retry++;
    this.#alarms.add({ atUs: knownUs + pauseUs, call, kind: "retry", retry: call.retry });
  }

  #end(call: Call, outcome: Outcome, nowUs: number, knownUs: number, isLate = false): void {
    const { serial, pipeline, arrivedUs } = call;
    const goalUs = isLate ? -1 : call.goalUs;
    const { recorder, arrivals } = this.#host;
    const latencyUs = knownUs - arrivedUs;
    recorder.tried(arrivedUs, call.retry + 1);
    recorder.ended(serial, pipeline, outcome, arrivedUs, nowUs, latencyUs, goalUs);
    arrivals.requestEnded(knownUs);
  }

  /** The rest of a request's time when an attempt is sent: its deadline counts from the first attempt. */
  goalUs(slot: number): number {
    const { goalUs, sentUs, arrivedUs } = this.#calls[slot] as Call;
    return goalUs - (sentUs - arrivedUs);
  }
}

/** Whether the client still waits for its attempt of that number. */
function isAwaited({ retry, slot }: Call, attempt: number): boolean {
  return attempt === retry && slot !== NONE;
}
