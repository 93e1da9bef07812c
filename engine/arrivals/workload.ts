/** The requests of a run: how they arrive, and what their clients do. `scenario/` makes both of a document. */
import type { Value } from "../random/sampler.ts";

/** Clients that give up and try again. */
export interface Client {
  /** A client gives up an attempt after this. */
  readonly timeoutMs: number;
  /** Further attempts at most. */
  readonly retries: number;
  /** The pause before the first retry; each later one is so much longer, up to the maximum. */
  readonly backoffMs: number;
  readonly backoffFactor: number;
  readonly maxBackoffMs?: number | undefined;
  /** Share of each pause that is random. */
  readonly jitter: number;
  /** All clients together have a budget: retries that each request pays for, and that may be saved up. */
  readonly retryBudget?: { readonly ratio: number; readonly burst: number } | undefined;
  /** False: the cluster does not notice, and serves attempts that nobody waits for. */
  readonly cancels: boolean;
}

interface Common {
  readonly client?: Client | undefined;
  readonly inputSize?: Value | undefined;
}

/** Arrivals stop at the earlier of the two. */
interface Spanned extends Common {
  readonly durationS?: number | undefined;
  readonly requests?: number | undefined;
  /** Requests that arrive before this are not counted; `auto` is for the simulator to find. */
  readonly warmupS: number | "auto";
}

interface Given extends Common {
  readonly warmupS: 0;
}

/** MLPerf Inference: queries go on until both minima are reached. */
interface Mlperf extends Given {
  readonly minQueries: number;
  readonly minDurationS: number;
}

interface Rate {
  readonly ratePerS: number;
}

/** A state of a Markov-modulated process: Poisson arrivals while in it, and the mean of an exponential stay. */
export interface ModulatingState extends Rate {
  readonly meanS: number;
}

/** A rate that swings as a sine: ratePerS × (1 + amplitude × sin(2π (t / period + phase))). */
export interface Diurnal extends Rate {
  /** 0..1. */
  readonly amplitude: number;
  readonly periodS: number;
  /** Periods, 0..1. */
  readonly phase: number;
}

/** The rate between two points is a straight line. */
export type Rates = readonly { readonly atS: number; readonly ratePerS: number }[];

export type SpannedWorkload = Spanned &
  (
    | ({ readonly arrivals: "poisson" | "deterministic" } & Rate)
    | ({ readonly arrivals: "gamma" | "weibull"; readonly cv: number } & Rate)
    | {
        readonly arrivals: "mmpp";
        readonly states: readonly ModulatingState[];
        readonly transitions?: readonly (readonly number[])[] | undefined;
      }
    | ({ readonly arrivals: "diurnal" } & Diurnal)
    | { readonly arrivals: "ramp"; readonly rates: Rates }
    | {
        readonly arrivals: "closed";
        readonly clients: number | readonly { readonly atS: number; readonly clients: number }[];
        readonly thinkMs: number;
      }
    | {
        readonly arrivals: "trace";
        readonly scale: number;
        readonly repeat?: number | "fill" | undefined;
      }
  );

/** By the process of arrivals. */
export type Workload =
  | SpannedWorkload
  | (Given & { readonly arrivals: "burst" | "mlperf-offline"; readonly requests: number })
  | (Mlperf & { readonly arrivals: "mlperf-single-stream" })
  | (Mlperf & { readonly arrivals: "mlperf-multi-stream"; readonly samplesPerQuery: number })
  | (Mlperf & Rate & { readonly arrivals: "mlperf-server"; readonly latencyBoundMs: number });
