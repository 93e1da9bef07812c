/**
 * Validations of real models that never ran: profiles, brackets and blocks as a calibration and a validation would have
 * found them on a host whose pace drifts, where the truth is known. Runs "for real" are runs of the simulator with
 * service times of their own: each content's time × noise of the call × the host's pace at that moment × the fault.
 */
import { arrivalSource } from "../engine/arrivals/arrival-source.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { summarize } from "../engine/metrics/summary.ts";
import { RandomStream } from "../engine/random/stream.ts";
import type { ServiceModel } from "../engine/service/service.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import type { BlockJudgement } from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "../sim/replication.ts";
import { Simulation } from "../sim/simulation.ts";
import { judgeRuns, lookError, looksOf } from "./blocks.ts";
import { messageCosts } from "./message-costs.ts";
import { middleMean, PROBE } from "./pace-probe.ts";
import { pacedCosts } from "./paced-messages.ts";
import type { MeasuredBracket } from "./real-runs.ts";

/**
 * `none`: the prediction is exact but for chance and drift. `profile`: a profile is 15% off. `contention`: predictions
 * leave the slow-down by neighbours out. `replica`: one less serves than predicted. `host`: it became slower.
 */
export type InjectedFault = "none" | "profile" | "contention" | "replica" | "host";

const NAMES = ["detect", "plate", "text"];
const CONTENTS = 16;
/** Contents for which the condition of the second task holds. */
const BRANCHED = 10;
const ROUND_S = 8;
const BRACKET_S = 6;
const BLOCK_REQUESTS = 120;
const MANY_REQUESTS = 4000;
/** One round finds the slow-down of two busy workers with this deviation, as a share. */
const SLOWDOWN_CV = 0.04;
/** Deviation of calibrated message costs from those in the blocks, as a share: real ones were off by 5 to 45%. */
const MESSAGES_CV = 0.25;
const [CLIENT_US, WORKER_US, ARRIVAL_US, DISPATCH_US, COMPLETION_US] = [800, 500, 420, 50, 550];
const INPUT_CV = 0.22;
const CALL_CV = 0.1;
/** Deviation of a model's own drift, at most: caches, which the host's pace does not share. */
const OWN_DRIFT = 0.015;
/** A host that became slower. */
const SLOWER = 1.12;
const [BURSTS, BURST_FACTOR] = [0.02, 1.6];
const PROVENANCE = {
  kind: "measured" as const,
  model: "synthetic",
  modelFiles: [],
  device: "cpu",
  host: "synthetic",
  runtime: "none",
  date: "2026-01-01T00:00:00Z",
};

/** Pace at a time, s; 1 on average. */
type Pace = (atS: number) => number;

/** An Ornstein-Uhlenbeck process, which is AR(1) at any spacing, from second to second. */
function drift(stream: RandomStream, deviation: number, timeConstantS: number): Pace {
  const logs: number[] = [deviation * normal(stream)];
  const kept = Math.exp(-1 / timeConstantS);
  return (atS) => {
    while (logs.length < atS + 2) {
      const fresh = deviation * Math.sqrt(1 - kept * kept) * normal(stream);
      logs.push(kept * logs[logs.length - 1] + fresh);
    }
    const second = Math.floor(atS);
    const share = atS - second;
    return Math.exp(logs[second] * (1 - share) + logs[second + 1] * share);
  };
}

interface TrueModel {
  readonly name: string;
  readonly ownDrift: Pace;
  /** Mean time of each content in place, without neighbours, at the usual pace, µs. */
  readonly contentsUs: readonly number[];
  readonly replicas: number;
}

export class SyntheticValidation {
  readonly #fault: InjectedFault;
  readonly models: readonly TrueModel[];
  /** The model whose profile is false, or whose pool has a replica less. */
  readonly faulty: string;
  /** Whether the probe shares the host's drift. */
  readonly hasProbe: boolean;
  readonly brackets: MeasuredBracket[] = [];
  readonly runs: Parameters<typeof judgeRuns>[1][number][] = [];
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly #noise: RandomStream;
  readonly #host: Pace;
  readonly #probe: Pace;
  readonly #contention: number[];
  readonly #calibratedS: number;
  #nowS: number;

  constructor(seed: number, fault: InjectedFault) {
    this.#fault = fault;
    const stream = new RandomStream(`synthetic/${fault}/${seed}`, "truth");
    const between = (low: number, high: number): number => low + (high - low) * stream.uniform();
    this.#noise = new RandomStream(`synthetic/${fault}/${seed}`, "noise");
    const [deviation, timeConstantS] = [between(0.02, 0.05), 20 * 6 ** stream.uniform()];
    const pace = drift(stream, deviation, timeConstantS);
    this.#host = (atS) => pace(atS) * (fault === "host" && atS > this.#calibratedS ? SLOWER : 1);
    this.hasProbe = stream.uniform() < 0.5;
    const own = new RandomStream(`synthetic/${fault}/${seed}`, "probe");
    this.#probe = this.hasProbe ? this.#host : drift(own, deviation, timeConstantS);
    const count = fault === "contention" ? 2 + stream.integer(2) : 1 + stream.integer(3);
    const last = NAMES[count - 1];
    this.models = NAMES.slice(0, count).map((name, i) => {
      const usualUs = between(20_000, 60_000);
      const factors = Array.from({ length: i === 0 ? CONTENTS : BRANCHED }, () =>
        lognormal(stream, INPUT_CV),
      );
      const replicas = fault === "replica" && name === last ? 2 : 1 + stream.integer(2);
      const ownDrift = drift(own, OWN_DRIFT * stream.uniform(), timeConstantS);
      return { name, replicas, ownDrift, contentsUs: factors.map((factor) => usualUs * factor) };
    });
    this.faulty = fault === "profile" ? NAMES[stream.integer(count)] : last;
    const slowing = fault === "contention" ? between(0.12, 0.3) : between(0, 0.1);
    const busy = this.models.reduce((sum, { replicas }) => sum + replicas, 0);
    this.#contention = Array.from({ length: busy }, (_, others) => 1 + slowing * others);
    const load = fault === "replica" ? between(0.3, 0.42) : between(0.3, 0.7);
    this.document = documentOf(this.models, load, this.#contention, fault, seed);
    const rounds = 8 + stream.integer(5);
    this.#calibratedS = rounds * ROUND_S;
    const off = stream.uniform() < 0.5 ? 1.15 : 0.85;
    const known = this.#contention.map((slowdown) => (fault === "contention" ? 1 : slowdown));
    const messages = lognormal(own, MESSAGES_CV);
    const overheadProfile = { ...overheads(known, messages), rounds: this.#costRounds(rounds) };
    const profiles = this.models.map((model) => {
      const factor = fault === "profile" && model.name === this.faulty ? off : 1;
      return [`${model.name}.json`, this.#calibrated(model, rounds, factor)] as const;
    });
    this.inputs = { profiles: Object.fromEntries(profiles), traces: {}, overheadProfile };
    this.#nowS = this.#calibratedS + Math.round(120 * 60 ** stream.uniform());
    this.#bracket();
  }

  /** By how much the fault moves the mean latency, as a share, where its effect is on structure. */
  effect(): number {
    const meanMs = ({ document, inputs }: Pick<SyntheticValidation, "document" | "inputs">) => {
      const { workload } = document;
      const durationS = "ratePerS" in workload ? MANY_REQUESTS / workload.ratePerS : 0;
      const longer = { ...workload, durationS } as ScenarioDocument["workload"];
      const { summary } = runReplication({ ...document, workload: longer }, inputs, 0);
      return summary.metrics.latencyMeanMs ?? Number.NaN;
    };
    return meanMs(this.truth()) / meanMs(this) - 1;
  }

  /** As the product would judge it, with its looks; how many blocks it took. */
  judged(tolerance: Readonly<Record<string, number>>): {
    readonly judgement: BlockJudgement;
    readonly blocks: number;
  } {
    const looks = looksOf(1);
    const { document, inputs } = this;
    const plan = { document, inputs, backend: "onnx" as const, timeScale: 1 };
    for (const look of looks) {
      while (this.runs.length < look) this.addRun();
      const isEnd = look === looks[looks.length - 1];
      const by = { tolerance, error: lookError(look, looks, isEnd), unfit: null };
      const runs = this.runs.slice(0, look);
      const { judgement } = judgeRuns(plan, runs, this.brackets.slice(0, look + 1), by);
      if (judgement.verdict !== "cannot tell" || isEnd) return { judgement, blocks: look };
    }
    throw new Error("there are no looks");
  }

  /** Time of a call in place at the usual pace, µs. */
  #callUs(contentUs: number): number {
    const burst = this.#noise.uniform() < BURSTS ? BURST_FACTOR : 1;
    return contentUs * lognormal(this.#noise, CALL_CV) * burst;
  }

  #probeUs(atS: number): number {
    return 1000 * this.#probe(atS) * (1 + 0.007 * normal(this.#noise));
  }

  /** Mean work of each content once. */
  #inPlaceUs({ contentsUs, ownDrift }: TrueModel, atS: number): number {
    const pace = this.#host(atS) * ownDrift(atS);
    return pace * meanOf(contentsUs.map((us) => this.#callUs(us)));
  }

  /** Calls of each content alone, where work takes less time than in place. */
  #aloneUs({ contentsUs, ownDrift }: TrueModel, atS: number): number[] {
    const pace = 0.93 * this.#host(atS) * ownDrift(atS);
    return contentsUs.map((us) => this.#callUs(us) * pace);
  }

  #calibrated(model: TrueModel, count: number, off: number): Profile {
    const callsUs: number[] = [];
    const rounds = Array.from({ length: count }, (_, round) => {
      const atS = ROUND_S * (round + 0.5);
      const own = this.#aloneUs(model, atS - 2).map((us) => us * off);
      callsUs.push(...own);
      const probeUs = meanOf([this.#probeUs(atS - 4), this.#probeUs(atS + 4)]);
      const inPlaceUs = this.#inPlaceUs(model, atS + 2) * off;
      return {
        atS,
        probeUs,
        aloneUs: [meanOf(own)],
        level: { us: middleMean(own), probeUs: this.#probeUs(atS - 2) },
        inPlaceUs,
      };
    });
    const quantilesUs = callsUs.toSorted((a, b) => a - b);
    return {
      schema: "tandem/profile@2",
      kind: "service",
      provenance: PROVENANCE,
      probe: PROBE,
      rounds,
      batches: [
        {
          batch: 1,
          samples: callsUs.length,
          meanUs: meanOf(callsUs),
          halfWidth95Us: 0,
          quantilesUs,
        },
      ],
    };
  }

  /** A round finds by how much two busy workers slow each other down; a single replica has none. */
  #slowdown(): { readonly slowdown?: number } {
    const [, second] = this.#contention;
    return second === undefined ? {} : { slowdown: second * lognormal(this.#noise, SLOWDOWN_CV) };
  }

  #costRounds(count: number): NonNullable<OverheadProfile["rounds"]> {
    return Array.from({ length: count }, (_, round) => {
      const { slowdown } = this.#slowdown();
      const isKnown = slowdown !== undefined && this.#fault !== "contention";
      const contention = isKnown ? [1, slowdown] : [1];
      const costs = {
        clientRoundTripUs: CLIENT_US,
        workerRoundTripUs: WORKER_US,
        gatewayUs: ARRIVAL_US,
      };
      return { ...costs, atS: ROUND_S * (round + 0.5), contention };
    });
  }

  #bracket(): void {
    const atS = this.#nowS + BRACKET_S / 2;
    const probeUs = meanOf([this.#probeUs(atS - 3), this.#probeUs(atS + 3)]);
    const workUs = Object.fromEntries(
      this.models.map((model) => [model.name, this.#inPlaceUs(model, atS)]),
    );
    const levels = Object.fromEntries(
      this.models.map((model) => {
        const us = middleMean(this.#aloneUs(model, atS - 1));
        return [model.name, { us, probeUs: this.#probeUs(atS - 1) }];
      }),
    );
    this.brackets.push({ atS, probeUs, levels, workUs: () => workUs, ...this.#slowdown() });
    this.#nowS += BRACKET_S;
  }

  addRun(): void {
    const { brackets, runs } = this;
    const replication = runs.length;
    const { log, summary, makespanS } = this.#run(replication, this.#nowS);
    this.#nowS += makespanS;
    this.#bracket();
    const beside = [brackets.length - 2, brackets.length - 1];
    runs.push({ replication, beside, log, summary, overheads: MEASURED_MESSAGES });
  }

  /** The scenario as it is served, with the fault. */
  truth(): Pick<SyntheticValidation, "document" | "inputs"> {
    const { cluster } = this.document;
    const { name, replicas } = this.models[this.models.length - 1];
    const fewer = this.#fault === "replica" ? { [name]: replicas - 1 } : {};
    return {
      document: {
        ...this.document,
        cluster: { ...cluster, replicas: { ...cluster.replicas, ...fewer } },
      },
      inputs: { ...this.inputs, overheadProfile: overheads(this.#contention) },
    };
  }

  /** The run "for real". */
  #run(replication: number, atS: number) {
    const seed = replicationSeed(this.document.run.seed, replication);
    const { document, inputs } = this.truth();
    const compiled = compileSystem(document, inputs);
    const arrivals = arrivalSource(document.workload, seed, null);
    let lastS = atS;
    const nowS = (): number => {
      if (Number.isFinite(arrivals.nextUs)) lastS = atS + arrivals.nextUs / 1e6;
      return lastS;
    };
    const services = this.models.map(({ contentsUs, ownDrift }) => {
      const sampleUs = (): number => {
        const contentUs = contentsUs[this.#noise.integer(contentsUs.length)];
        const now = nowS();
        return Math.round(this.#callUs(contentUs) * this.#host(now) * ownDrift(now));
      };
      return ({ shape, maxBatch, meanUs, quantilesUs }: ServiceModel): ServiceModel => ({
        shape,
        maxBatch,
        meanUs,
        quantilesUs,
        scaleUs: Number.NaN,
        sampleUs,
      });
    });
    const system = {
      ...compiled,
      replicas: compiled.replicas.map((replica) => ({
        ...replica,
        service: services[replica.pool](replica.service),
      })),
    };
    const log = new RunLog();
    const simulation = new Simulation({
      system,
      arrivals,
      seed,
      log,
      sizes: null,
      requests: null,
      warmupUs: 0,
      scheduler: createScheduler(document.scheduler, system, seed),
    });
    simulation.advance(Number.POSITIVE_INFINITY);
    const summary = summarize(simulation.output().recorder, { curve: false });
    return { log: asServed(log), summary, makespanS: (summary.metrics.makespanMs ?? 0) / 1000 };
  }
}

const ONE = new Float64Array(1);

function normal(stream: RandomStream): number {
  stream.fillNormal(ONE);
  return ONE[0];
}

function lognormal(stream: RandomStream, cv: number): number {
  const variance = Math.log(1 + cv * cv);
  return Math.exp(Math.sqrt(variance) * normal(stream) - variance / 2);
}

const MEASURED_MESSAGES = {
  clientRoundTripUs: [CLIENT_US],
  workerRoundTripUs: [WORKER_US],
  costs: {
    receiveUs: 0,
    arrivalUs: ARRIVAL_US,
    dispatchUs: DISPATCH_US,
    completionUs: COMPLETION_US,
  },
};

function overheads(contention: number[], factor = 1): OverheadProfile {
  const { clientRoundTripUs, workerRoundTripUs, gateway } = messageCosts(MEASURED_MESSAGES);
  const profile = {
    schema: "tandem/overhead@1" as const,
    provenance: PROVENANCE,
    clientRoundTripUs,
    workerRoundTripUs,
    gateway,
    contention,
  };
  return pacedCosts(profile, factor);
}

/** A chain of tasks, the second behind a condition, at a load of the busiest. */
function documentOf(
  models: readonly TrueModel[],
  load: number,
  contention: readonly number[],
  fault: InjectedFault,
  seed: number,
): ScenarioDocument {
  const share = BRANCHED / CONTENTS;
  const capacities = models.map(({ contentsUs, replicas }, i) => {
    return (1e6 * replicas) / (meanOf(contentsUs) * (i === 0 ? 1 : share));
  });
  // Busy neighbours take capacity.
  const slowed = fault === "contention" ? contention[1] : 1;
  const ratePerS = (load * Math.min(...capacities)) / slowed;
  const tasks = models.map(({ name }, i) => {
    const after = i === 0 ? {} : { after: [NAMES[i - 1]] };
    const when = i === 1 ? { when: { contains: "car", probability: share } } : {};
    return [name, { model: name, ...after, ...when }] as const;
  });
  return scenarioSchema.parse({
    name: "synthetic",
    pipelines: { p: { tasks: Object.fromEntries(tasks) } },
    models: Object.fromEntries(models.map(({ name }) => [name, { profile: `${name}.json` }])),
    cluster: { replicas: Object.fromEntries(models.map(({ name, replicas }) => [name, replicas])) },
    workload: { arrivals: "poisson", ratePerS, durationS: BLOCK_REQUESTS / ratePerS, warmupS: 0 },
    run: { seed },
  });
}

/** The log as a gateway writes it, with each batch's time of service; the gateway's own queue, of some µs, is in it. */
function asServed(log: RunLog): string {
  const startedUs = new Map<number, number>();
  const served = new RunLog();
  for (const entry of log.entries) {
    const [kind, replica, nowUs] = entry;
    if (kind === "start") startedUs.set(replica, nowUs);
    if (kind === "finish") {
      const aroundUs = nowUs - (startedUs.get(replica) ?? nowUs);
      const messagesUs = DISPATCH_US + WORKER_US + COMPLETION_US;
      served.add("served", replica, nowUs, Math.max(1, aroundUs - messagesUs), messagesUs);
    }
    served.add(...entry);
  }
  return served.toJsonLines();
}
