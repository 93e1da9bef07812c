/**
 * Sends a workload's requests at their due times, which are absolute: a late request does not
 * move the next, and its latency counts from when it was due, so a slow server cannot hide behind
 * a slow client (Tene, "How NOT to measure latency", 2013, calls that coordinated omission).
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { arrivalSource } from "../../core/arrivals/arrival-source.ts";
import type { ArrivalSource } from "../../core/arrivals/source.ts";
import { Fault } from "../../core/fault.ts";
import { PipelineChoice } from "../../core/request-draws.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { PreciseTimer } from "../time/precise-timer.ts";
import { inDigits, LOAD_BOUNDS, type LoadBounds } from "./load-bounds.ts";
import { type Caller, callerOf } from "./patient-calls.ts";
import { RequestRecords } from "./request-records.ts";
import type { LoadResult, LoadSpecification } from "./specification.ts";
import type { LoadAnswer, LoadTarget } from "./target.ts";

const DELAY_RESOLUTION_MS = 5;
const MAX_ERRORS = 10;
/** Whoever is behind hears answers in between. */
const MOST_A_TURN = 1000;

export class LoadGenerator {
  readonly #specification: LoadSpecification;
  readonly #timer: PreciseTimer;
  readonly #bounds: LoadBounds;
  readonly #source: ArrivalSource;
  readonly #choice: PipelineChoice;
  readonly #call: Caller;
  readonly #records = new RequestRecords();
  readonly #statuses = new Map<string, number>();
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #errors: string[] = [];
  #startUs = 0;
  #outstanding = 0;
  #alarm: { readonly id: number; readonly atUs: number } | null = null;
  #next: NodeJS.Immediate | null = null;
  #done: () => void = () => undefined;
  #fail: (fault: Fault) => void = () => undefined;

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
    this.#choice = new PipelineChoice(
      pipelines.map(({ share }) => share),
      seed,
    );
    const onAttempt = ({ status }: LoadAnswer): void => {
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
    };
    const { client } = workload;
    this.#call = callerOf(target, { client, seed, timeScale, timer, onAttempt });
  }

  get sent(): number {
    return this.#records.count;
  }

  get ended(): number {
    return this.#records.count - this.#outstanding;
  }

  /**
   * Runs the workload until every request has ended. `startUs` is in µs of `monotonicUs`. Rejects with
   * Fault("limit-exceeded") beyond its bounds.
   */
  async run(startUs: number): Promise<LoadResult> {
    const startedAt = new Date(Date.now() + (startUs - monotonicUs()) / 1000).toISOString();
    this.#startUs = startUs;
    this.#delay.enable();
    const meter = new RunMeter(startUs);
    await new Promise<void>((resolve, reject) => {
      this.#done = resolve;
      this.#fail = reject;
      this.#pump();
    });
    this.#delay.disable();
    return this.#result(startedAt, meter);
  }

  /** Sends what is due, turn by turn, and sets the alarm for the next. */
  #pump(): void {
    if (this.#next !== null) return;
    const source = this.#source;
    for (let sent = 0; this.#dueUs(source.nextUs) <= monotonicUs(); sent++) {
      if (!this.#hasRoom()) return;
      if (sent === MOST_A_TURN) {
        this.#goOn();
        return;
      }
      const intendedUs = source.nextUs;
      source.advance();
      this.#send(intendedUs);
    }
    const nextUs = this.#dueUs(source.nextUs);
    if (nextUs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextUs);
    else if (this.#outstanding === 0) this.#done();
  }

  #goOn(): void {
    this.#next = setImmediate(() => {
      this.#next = null;
      this.#pump();
    });
  }

  /** For one request more; without, the run has failed. */
  #hasRoom(): boolean {
    const { requests, waiting } = this.#bounds;
    if (this.#outstanding === waiting) {
      this.#fail(
        new Fault("limit-exceeded", `${inDigits(waiting)} requests wait for their answers`, {
          hint: "the target is far slower than the load: give a lower rate, or a shorter --timeout",
        }),
      );
    } else if (this.#records.count === requests) {
      this.#fail(
        new Fault("limit-exceeded", `a run has at most ${inDigits(requests)} requests`, {
          hint: "give a shorter --duration, or a --count",
        }),
      );
    } else return true;
    return false;
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
    const request = this.#records.add(pipeline, intendedUs, sentUs - this.#dueUs(intendedUs));
    this.#outstanding++;
    this.#call({ request, pipeline, intendedUs }, (answer, attempts) => {
      this.#ended(request, sentUs, answer, attempts);
    });
  }

  #ended(request: number, sentUs: number, answer: LoadAnswer, attempts: number): void {
    const nowUs = monotonicUs();
    const endedUs = (nowUs - this.#startUs) / this.#specification.timeScale;
    const records = this.#records;
    this.#outstanding--;
    records.end(request, answer.outcome, endedUs, attempts);
    if (answer.outcome === "completed") {
      records.latencyUs[request] = nowUs - this.#dueUs(records.intendedUs[request]);
      // Where it took several attempts, the way is not the rest of the time.
      if (attempts === 1) records.clientRoundTripUs[request] = nowUs - sentUs - answer.residenceUs;
    } else if (this.#errors.length < MAX_ERRORS) {
      this.#errors.push(`request ${request}: ${answer.error ?? answer.outcome}`);
    }
    this.#source.requestEnded(Math.round(endedUs));
    this.#pump();
  }

  #dueUs(intendedUs: number): number {
    return this.#startUs + intendedUs * this.#specification.timeScale;
  }

  #result(startedAt: string, meter: RunMeter): LoadResult {
    const { count, ...columns } = this.#records;
    return {
      requests: count,
      intendedUs: columns.intendedUs.slice(0, count),
      latencyUs: columns.latencyUs.slice(0, count),
      endedUs: columns.endedUs.slice(0, count),
      outcome: columns.outcome.slice(0, count),
      pipeline: columns.pipeline.slice(0, count),
      sentLateUs: columns.sentLateUs.slice(0, count),
      clientRoundTripUs: columns.clientRoundTripUs.slice(0, count),
      attempts: columns.attempts.slice(0, count),
      statuses: Object.fromEntries(this.#statuses),
      errors: this.#errors,
      eventLoopDelayP99Ms: Math.max(0, this.#delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
      ...meter.read(),
      closed: this.#source.closed,
      startedAt,
    };
  }
}

/** What the run cost this process. */
class RunMeter {
  readonly #startUs: number;
  readonly #cpu = process.cpuUsage();
  readonly #loop = performance.eventLoopUtilization();

  constructor(startUs: number) {
    this.#startUs = startUs;
  }

  read(): Pick<LoadResult, "cpuUs" | "cpuRatio" | "loopBusyRatio"> {
    const wallUs = Math.max(1, monotonicUs() - this.#startUs);
    const own = process.cpuUsage(this.#cpu);
    const { user, system } = process.cpuUsage();
    return {
      cpuUs: user + system,
      cpuRatio: (own.user + own.system) / wallUs,
      loopBusyRatio: performance.eventLoopUtilization(this.#loop).utilization,
    };
  }
}
