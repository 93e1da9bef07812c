/**
 * Sends a workload's requests at absolute due times: a late request does not move the next one, and
 * latency counts from the due time, which avoids coordinated omission (Tene, "How NOT to measure
 * latency", 2013).
 */

import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { arrivalSource } from "../../engine/arrivals/arrival-source.ts";
import type { ArrivalSource } from "../../engine/arrivals/sources.ts";
import { Fault } from "../../engine/basics/fault.ts";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { WeightedChoice } from "../../engine/requests/draws.ts";
import { machineClock, monotonicUs, type PreciseTimer } from "../time/clock.ts";
import { type Caller, callerOf } from "./client-calls.ts";
import {
  inDigits,
  LOAD_BOUNDS,
  type LoadAnswer,
  type LoadBounds,
  type LoadResult,
  type LoadSpecification,
  type LoadTarget,
} from "./specification.ts";

const DELAY_RESOLUTION_MS = 5;
const MAX_ERRORS = 10;
/** A generator that is behind handles answers after this many requests. */
const MOST_A_TURN = 1000;

const TIMES = [
  ...["intendedUs", "latencyUs", "endedUs", "sentLateUs", "clientRoundTripUs"],
  ...["ttftUs", "tpotUs"],
] as const;
const CODES = ["outcome", "attempts", "pipeline"] as const;

type Times = (typeof TIMES)[number];
type Codes = (typeof CODES)[number];

function listsOf<Name extends string>(names: readonly Name[]): Record<Name, number[]> {
  return Object.fromEntries(names.map((name) => [name, []])) as never;
}

export class LoadGenerator {
  readonly #specification: LoadSpecification;
  readonly #timer: PreciseTimer;
  readonly #bounds: LoadBounds;
  readonly #source: ArrivalSource;
  readonly #choice: WeightedChoice;
  readonly #call: Caller;
  readonly #times = listsOf<Times>(TIMES);
  readonly #codes = listsOf<Codes>(CODES);
  readonly #statuses = new Map<string, number>();
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #errors: string[] = [];
  #startUs = 0;
  #outstanding = 0;
  #alarm: { readonly id: number; readonly atUs: number } | null = null;
  #next: NodeJS.Immediate | null = null;
  #done: () => void = () => undefined;
  #fail: (fault: Fault) => void = () => undefined;
  #stopped = false;

  constructor(
    specification: LoadSpecification,
    target: LoadTarget,
    timer: PreciseTimer,
    bounds: LoadBounds = LOAD_BOUNDS,
  ) {
    const { workload, seed, traceUs, pipelines, timeScale } = specification;
    this.#specification = specification;
    this.#timer = timer;
    this.#bounds = bounds;
    this.#source = arrivalSource(workload, seed, traceUs);
    const shares = pipelines.map(({ share }) => share);
    this.#choice = new WeightedChoice(shares, seed, "pipeline");
    const onAttempt = ({ status }: LoadAnswer): void => {
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    };
    const { client } = workload;
    const clock = machineClock(timer);
    this.#call = callerOf(target, { client, seed, timeScale, clock, onAttempt });
  }

  get sent(): number {
    return this.#times.intendedUs.length;
  }

  get ended(): number {
    return this.sent - this.#outstanding;
  }

  /**
   * Resolves when every request of the workload has ended. `startUs` is in µs of `monotonicUs`. Rejects
   * with Fault("limit-exceeded") beyond the bounds.
   */
  async run(startUs: number): Promise<LoadResult> {
    const startedAt = new Date(Date.now() + (startUs - monotonicUs()) / 1000).toISOString();
    this.#startUs = startUs;
    this.#delay.enable();
    const cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    await new Promise<void>((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      this.#pump();
    });
    this.#delay.disable();
    const { user, system } = process.cpuUsage(cpu);
    return {
      requests: this.sent,
      ...(Object.fromEntries([
        ...TIMES.map((name) => [name, Float64Array.from(this.#times[name])]),
        ...CODES.map((name) => [name, Uint8Array.from(this.#codes[name])]),
      ]) as Record<Times, Float64Array> & Record<Codes, Uint8Array>),
      statuses: Object.fromEntries(this.#statuses),
      errors: this.#errors,
      eventLoopDelayP99Ms: Math.max(0, this.#delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
      cpuRatio: (user + system) / Math.max(1, monotonicUs() - startUs),
      loopBusyRatio: performance.eventLoopUtilization(loop).utilization,
      closed: this.#source.closed,
      startedAt,
    };
  }

  /** Sends no further request; `run` resolves when those that are sent have ended. */
  stop(): void {
    this.#stopped = true;
    this.#pump();
  }

  #pump(): void {
    if (this.#next !== null) return;
    const source = this.#source;
    for (let sent = 0; this.#isDue(); sent++) {
      if (!this.#hasRoom()) return;
      if (sent === MOST_A_TURN) {
        this.#next = setImmediate(() => {
          this.#next = null;
          this.#pump();
        });
        return;
      }
      const intendedUs = source.nextUs;
      source.advance();
      this.#send(intendedUs);
    }
    const nextUs = this.#stopped ? Number.POSITIVE_INFINITY : this.#dueUs(source.nextUs);
    if (nextUs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextUs);
    else if (this.#outstanding === 0) this.#done();
  }

  #isDue(): boolean {
    return !this.#stopped && this.#dueUs(this.#source.nextUs) <= monotonicUs();
  }

  /** Whether the bounds allow one more request; if not, the run fails. */
  #hasRoom(): boolean {
    const { requests, waiting } = this.#bounds;
    const fail = (message: string, hint: string): boolean => {
      this.#fail(new Fault("limit-exceeded", message, { hint }));
      return false;
    };
    if (this.#outstanding === waiting) {
      return fail(
        `${inDigits(waiting)} requests wait for their answers`,
        "the target is far slower than the load: give a lower rate, or a shorter --timeout",
      );
    }
    if (this.sent < requests) return true;
    return fail(
      `a run has at most ${inDigits(requests)} requests`,
      "give a shorter --duration, or a --count",
    );
  }

  #wakeAt(atUs: number): void {
    if (this.#alarm !== null) {
      if (this.#alarm.atUs <= atUs) return;
      this.#timer.cancel(this.#alarm.id);
    }
    const id = this.#timer.set(atUs, () => {
      this.#alarm = null;
      this.#pump();
    });
    this.#alarm = { id, atUs };
  }

  #send(intendedUs: number): void {
    const pipeline = this.#choice.next();
    const sentUs = monotonicUs();
    const request = this.sent;
    const { intendedUs: dueUs, sentLateUs, endedUs, ttftUs, tpotUs } = this.#times;
    const { latencyUs, clientRoundTripUs } = this.#times;
    dueUs.push(intendedUs);
    sentLateUs.push(sentUs - this.#dueUs(intendedUs));
    endedUs.push(0);
    latencyUs.push(Number.NaN);
    for (const unknown of [clientRoundTripUs, ttftUs, tpotUs]) unknown.push(Number.NaN);
    for (const name of CODES) this.#codes[name].push(name === "pipeline" ? pipeline : 0);
    this.#outstanding++;
    this.#call({ request, pipeline, intendedUs }, (answer, attempts) => {
      this.#ended(request, sentUs, answer, attempts);
    });
  }

  #ended(request: number, sentUs: number, answer: LoadAnswer, attempts: number): void {
    const nowUs = monotonicUs();
    const endedUs = (nowUs - this.#startUs) / this.#specification.timeScale;
    const { latencyUs, intendedUs, clientRoundTripUs } = this.#times;
    this.#outstanding--;
    this.#times.endedUs[request] = endedUs;
    this.#codes.attempts[request] = attempts;
    this.#codes.outcome[request] = OUTCOMES.indexOf(answer.outcome);
    if (answer.outcome === "completed") {
      latencyUs[request] = nowUs - this.#dueUs(intendedUs[request]);
      this.#times.ttftUs[request] = answer.ttftUs ?? Number.NaN;
      this.#times.tpotUs[request] = answer.tpotUs ?? Number.NaN;
      // Several attempts: the remaining time includes pauses.
      if (attempts === 1 && answer.residenceUs !== undefined) {
        clientRoundTripUs[request] = nowUs - sentUs - answer.residenceUs;
      }
    } else if (this.#errors.length < MAX_ERRORS) {
      this.#errors.push(`request ${request}: ${answer.error ?? answer.outcome}`);
    }
    this.#source.requestEnded(Math.round(endedUs));
    this.#pump();
  }

  #dueUs(intendedUs: number): number {
    return this.#startUs + intendedUs * this.#specification.timeScale;
  }
}

/** Requests in a burst: doubled from the least while a burst takes no longer than `BURST_MS`. */
const LEAST_AT_ONCE = 2;
const MOST_AT_ONCE = 50;
const BURST_MS = 100;
/** A new deployment needs some seconds; a used one needs less. */
const MAX_MS = 4000;
/** The warm-up ends when the fastest burst did not improve by this share for this time. */
const GAIN = 0.05;
const SETTLED_MS = 750;

/** With `MAX_MS`, less than the parent's limit for a ready generator. */
const ANSWER_MS = 25_000;

/**
 * Sends unmeasured bursts over every pipeline until they get no faster: code that has not run yet is
 * ten times slower, in the generator, the gateway and every worker. Outcomes do not matter, but
 * rejects with Fault("cluster-failure") when a request gets no answer.
 */
export async function warmUp(
  target: LoadTarget,
  { pipelines }: LoadSpecification,
  answerMs = ANSWER_MS,
): Promise<void> {
  const stopAt = performance.now() + MAX_MS;
  const send = (request: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const pipeline = request % pipelines.length;
      const late = setTimeout(() => {
        const message = `the target has not answered a request of the warm-up within ${answerMs / 1000} s`;
        reject(new Fault("cluster-failure", message));
        giveUp();
      }, answerMs);
      const giveUp = target.send({ request, pipeline, intendedUs: 0 }, () => {
        clearTimeout(late);
        resolve();
      });
    });
  let atOnce = LEAST_AT_ONCE;
  let fastestMs = Number.POSITIVE_INFINITY;
  let gainedAt = performance.now();
  for (let sent = 0; performance.now() < stopAt; ) {
    const startMs = performance.now();
    if (startMs - gainedAt > SETTLED_MS) return;
    await Promise.all(Array.from({ length: atOnce }, () => send(sent++)));
    const tookMs = performance.now() - startMs;
    if (atOnce < MOST_AT_ONCE && tookMs < BURST_MS) {
      atOnce = Math.min(MOST_AT_ONCE, atOnce * 2);
      fastestMs = Number.POSITIVE_INFINITY;
    } else if (tookMs < fastestMs * (1 - GAIN)) {
      fastestMs = tookMs;
      gainedAt = performance.now();
    }
  }
}
