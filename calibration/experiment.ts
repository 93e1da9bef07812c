/**
 * The rounds of a calibration. Each has, in random order: every model alone, by batch size; busy neighbours; and the
 * pipeline in place, under light load; with the host's pace before and after. Rounds are spread over the whole
 * calibration, so that the host's drift is in the spread of their means.
 */
import type { Deployment } from "../cluster/deploy/deployment.ts";
import type { MeasuredRun } from "../cluster/deploy/measured-run.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { driftingMean } from "../engine/statistics/drifting-mean.ts";
import { estimate, meanOf } from "../engine/statistics/estimate.ts";
import { knownTimes } from "../scenario/compile/in-place.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import { type Disturbance, disturbance, percent, watchHost } from "./host.ts";
import { type InPlacePlan, inPlaceRound, warmUp, workByModel } from "./in-place.ts";
import {
  AloneTimes,
  type BusyWorker,
  contentionCurve,
  contentionRound,
  type ServiceTarget,
} from "./measure-service.ts";
import { messageCosts } from "./message-costs.ts";
import { NO_RUN, type RunHere } from "./own-processes.ts";
import { PaceProbe } from "./pace-probe.ts";

/** A model on a kind of device, with one batch size. */
export interface Target extends ServiceTarget {
  readonly model: string;
  readonly device: string;
  readonly machine: string;
  /** Whether profiles are not told apart by kind of device. */
  readonly isOnly: boolean;
}

export interface Place extends InPlacePlan {
  readonly deployment: Deployment;
}

/** The figures of a model on a kind of device. */
export interface MeasuredTimes {
  /** By batch size, ascending. */
  readonly alone: readonly AloneTimes[];
  readonly rounds: NonNullable<Profile["rounds"]>;
}

/** A figure that predictions use, and how well it is known. */
export interface CalibratedFigure {
  /** `detector, batch 1`, or `detector on gpu, batch 1` where a model was measured on several kinds of device. */
  readonly name: string;
  /** Mean time in place; absent for what is no time. */
  readonly meanUs?: number;
  /** Half width of its 95% interval, as a share of its mean; Infinity of fewer than three rounds. */
  readonly relativeHalfWidth95: number;
}

interface Bounds {
  /** Wanted half width of the 95% interval of each figure, as a share of its mean. */
  readonly precision: number;
  /** On all rounds together, s. */
  readonly maxSeconds: number;
  /** Null: not all that is measured runs on this host, so that the load of others is not told apart. */
  readonly here: RunHere | null;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called after each round with the least precise figure. */
  readonly onRound?: ((round: number, least: CalibratedFigure) => void) | undefined;
  /** Called for each round that is set aside. */
  readonly onSetAside?: ((reason: string) => void) | undefined;
}

/** Fewer rounds tell too little of their own spread. */
const LEAST_ROUNDS = 5;
/** A profile keeps so many. */
const MOST_ROUNDS = 100;
/** A host that stands still in more rounds than these, or that others use in as many, is measured as it is. */
const MOST_SET_ASIDE = 5;
/** A change of pace that counts as no steady state: the usual tolerance of a judgement. */
const MOST_CHANGE = 0.05;
/** One late arrival of the sixteen of a round is a reason against it; of so many rounds it is none. */
const MOST_DISTURBED = 0.5;
export const SEED = "calibration/in-place";

export class Experiment {
  readonly #targets: readonly Target[];
  readonly #busy: readonly BusyWorker[];
  readonly #place: Place | null;
  readonly #alone: readonly AloneTimes[];
  readonly #atS: number[] = [];
  readonly #probesUs: number[] = [];
  readonly #contention: number[][] = [];
  readonly #inPlace: MeasuredRun[] = [];
  readonly #setAside = { stall: 0, load: 0 };
  /** Why rounds that were kept count as disturbed. */
  readonly #disturbed: string[] = [];
  readonly #order = new RandomStream("calibration", "order");

  /** `place`: null where some model has no implementation, so that the pipeline cannot run. */
  constructor(targets: readonly Target[], busy: readonly BusyWorker[], place: Place | null) {
    this.#targets = targets;
    this.#busy = busy;
    this.#place = place;
    const pauses = new RandomStream("calibration", "pauses");
    this.#alone = targets.map((target) => new AloneTimes(target, pauses));
  }

  get rounds(): number {
    return this.#atS.length;
  }

  /** Cold calls, which no round has. */
  async warmUp(): Promise<void> {
    for (const alone of this.#alone) await alone.warmUp();
    await new PaceProbe().beats();
    if (this.#place !== null) await warmUp(this.#place.deployment, this.#place, `${SEED}/warm`);
  }

  /** Rounds until all figures are precise, or the time is over; returns the seconds that they took. */
  async run(bounds: Bounds): Promise<number> {
    const { precision, maxSeconds, onProgress, onRound, onSetAside } = bounds;
    const startMs = performance.now();
    const passedS = (): number => (performance.now() - startMs) / 1000;
    const total = Math.ceil(maxSeconds);
    for (let longestS = 0; this.rounds < MOST_ROUNDS; ) {
      const beganS = passedS();
      // A round that would end long after the time is over is left out, but for the fewest.
      if (this.rounds >= LEAST_ROUNDS && beganS + longestS / 2 > maxSeconds) break;
      const disturbed = await this.#round(passedS, bounds);
      longestS = Math.max(longestS, passedS() - beganS);
      onProgress?.(Math.min(total, Math.round(passedS())), total);
      if (disturbed !== null) {
        onSetAside?.(disturbed);
        continue;
      }
      const [least] = this.figures();
      if (least !== undefined) onRound?.(this.rounds, least);
      if (this.rounds >= LEAST_ROUNDS && !((least?.relativeHalfWidth95 ?? 0) > precision)) break;
    }
    return passedS();
  }

  /**
   * Its parts come in random order, so that none is always next to another. A round in which the host was disturbed is
   * set aside: returns why; else null.
   */
  async #round(passedS: () => number, { here }: Bounds): Promise<string | null> {
    const beganS = passedS();
    const busy = this.#busy;
    const place = this.#place;
    const watch = watchHost(here ?? NO_RUN);
    const pace = new PaceProbe();
    await pace.beats();
    const contention: number[][] = [];
    const inPlace: MeasuredRun[] = [];
    const parts: (() => Promise<void>)[] = [() => this.#aloneRound(pace)];
    if (busy.length > 1) {
      const round = () => contentionRound(busy);
      parts.push(async () => void contention.push(await round()));
    }
    if (place !== null) {
      const round = () => inPlaceRound(place.deployment, place, `${SEED}/${this.rounds}`);
      parts.push(async () => void inPlace.push(await round()));
    }
    let disturbed: Disturbance | null;
    try {
      while (parts.length > 0) await parts.splice(this.#order.integer(parts.length), 1)[0]();
      await pace.beats();
      disturbed = disturbance(await watch.stop(), here !== null);
    } finally {
      watch.close();
    }
    if (disturbed !== null && this.#setAside[disturbed.by] < MOST_SET_ASIDE) {
      this.#setAside[disturbed.by]++;
      for (const alone of this.#alone) alone.takeBack();
      return disturbed.reason;
    }
    if (disturbed !== null) this.#disturbed.push(disturbed.reason);
    this.#contention.push(...contention);
    this.#inPlace.push(...inPlace);
    this.#probesUs.push(pace.meanUs());
    this.#atS.push((beganS + passedS()) / 2);
    return null;
  }

  /** Machines at the same time, what shares a machine in turn. */
  async #aloneRound(pace: PaceProbe): Promise<void> {
    const machines = [...new Set(this.#targets.map(({ machine }) => machine))];
    await Promise.all(
      machines.map(async (machine) => {
        const own = this.#alone.filter((_, i) => this.#targets[i].machine === machine);
        while (own.length > 0) await own.splice(this.#order.integer(own.length), 1)[0].round(pace);
      }),
    );
  }

  contention(): number[] {
    return contentionCurve(this.#contention);
  }

  /** Over all rounds in place. */
  messageCosts(): ReturnType<typeof messageCosts> {
    const runs = this.#inPlace.map(({ overheads }) => overheads);
    const mean = (name: "receiveUs" | "arrivalUs" | "dispatchUs" | "completionUs"): number =>
      meanOf(runs.map(({ costs }) => costs[name]));
    return messageCosts({
      clientRoundTripUs: runs.flatMap(({ clientRoundTripUs }) => clientRoundTripUs),
      workerRoundTripUs: runs.flatMap(({ workerRoundTripUs }) => workerRoundTripUs),
      costs: {
        receiveUs: mean("receiveUs"),
        arrivalUs: mean("arrivalUs"),
        dispatchUs: mean("dispatchUs"),
        completionUs: mean("completionUs"),
      },
    });
  }

  costRounds(): NonNullable<OverheadProfile["rounds"]> {
    return this.#inPlace.map(({ overheads }, i) => {
      const { clientRoundTripUs, workerRoundTripUs, gateway } = messageCosts(overheads);
      const { arrivalUs, dispatchUs, completionUs } = gateway;
      return {
        atS: this.#atS[i],
        clientRoundTripUs: meanOf(clientRoundTripUs),
        workerRoundTripUs: meanOf(workerRoundTripUs),
        gatewayUs: arrivalUs + dispatchUs + completionUs,
        contention: this.#contention[i] ?? [1],
      };
    });
  }

  measuredOf(model: string, device: string): MeasuredTimes {
    const ofKind = (kind: string): AloneTimes[] =>
      this.#alone.filter((_, i) => {
        return this.#targets[i].model === model && this.#targets[i].device === kind;
      });
    const alone = ofKind(device);
    const means = alone.map((one) => one.roundMeansUs());
    const levels = alone[0].levels();
    // The pipeline runs on the first kind of device; others are taken to be slowed alike.
    const first = this.#targets.find((target) => target.model === model)?.device ?? device;
    const firstMeans = ofKind(first)[0].roundMeansUs();
    const work = this.#workRounds();
    const rounds = this.#atS.map((atS, round) => {
      const inPlaceUs = work[round]?.[model];
      const toDevice = means[0][round] / firstMeans[round];
      return {
        atS,
        probeUs: this.#probesUs[round],
        aloneUs: means.map((own) => own[round] ?? null),
        level: levels[round] ?? null,
        inPlaceUs: inPlaceUs === undefined ? null : inPlaceUs * toDevice,
      };
    });
    return { alone, rounds };
  }

  /** By round, the mean work of each model. */
  #workRounds(): Readonly<Record<string, number>>[] {
    const place = this.#place;
    if (place === null) return [];
    const contention = this.contention();
    return this.#inPlace.map(({ log }) =>
      workByModel(place.document, place.inputs, contention, log),
    );
  }

  /** Least precise first. */
  figures(): CalibratedFigure[] {
    const kinds = this.#targets.filter(({ batch }) => batch === 1);
    const times = kinds.flatMap(({ model, device, isOnly }) => {
      const { alone, rounds } = this.measuredOf(model, device);
      const name = isOnly ? model : `${model} on ${device}`;
      return knownTimes({ rounds, batches: alone }).flatMap((known, i) =>
        known === null
          ? []
          : {
              name: `${name}, batch ${alone[i].target.batch}`,
              meanUs: known.mean,
              relativeHalfWidth95: known.relativeHalfWidth95,
            },
      );
    });
    const slowdowns = this.#contention.map((round, i) => {
      return { atS: this.#atS[i] ?? i, value: round[round.length - 1] };
    });
    const { relativeHalfWidth95 } = driftingMean(slowdowns);
    const neighbours =
      slowdowns.length === 0 ? [] : [{ name: "slow-down by neighbours", relativeHalfWidth95 }];
    return [...times, ...neighbours].sort((a, b) => b.relativeHalfWidth95 - a.relativeHalfWidth95);
  }

  /** Disturbed rounds that were kept, after many were set aside. */
  hostDoubts(): string[] {
    const last = this.#disturbed.at(-1);
    if (last === undefined) return [];
    const count = `${this.#disturbed.length} of ${this.rounds} rounds were disturbed`;
    return [`${count}; in the last, ${last}`];
  }

  /** Rounds in place that were not fit to be measured by, if they are many, and a trend where no steady state shows. */
  doubts(): string[] {
    const disturbed = this.#inPlace.filter(({ health }) => health.reasons.length > 0);
    const last = disturbed[disturbed.length - 1];
    const areMany = disturbed.length > MOST_DISTURBED * this.#inPlace.length;
    const rounds = `${disturbed.length} of ${this.#inPlace.length} rounds in the pipeline were disturbed`;
    return [
      ...(areMany ? [`${rounds}; in the last, ${last.health.reasons.join("; ")}`] : []),
      ...this.#trend(),
    ];
  }

  #trend(): string[] {
    const half = Math.floor(this.rounds / 2);
    if (half < 3) return [];
    const earlier = estimate(this.#probesUs.slice(0, half));
    const later = estimate(this.#probesUs.slice(-half));
    const change = Math.abs(later.mean / earlier.mean - 1);
    const noise = Math.hypot(earlier.halfWidth95, later.halfWidth95) / earlier.mean;
    if (change <= MOST_CHANGE + noise) return [];
    return [
      `the host has no steady state: its pace changed by ${percent(change)} from the first half of the rounds to the second`,
    ];
  }
}
