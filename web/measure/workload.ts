/** How requests are sent: the page's form, and the workload that it stands for, as in a scenario. */
import type { Picture } from "./pictures.ts";

export const SHAPES = [
  { id: "burst", name: "All at once", about: "n requests at one instant" },
  {
    id: "closed",
    name: "Closed loop",
    about: "n clients; each waits for its answer, then sends again",
  },
  {
    id: "poisson",
    name: "Open loop",
    about: "so many a second, at random instants, whatever the answers",
  },
  { id: "ramp", name: "Ramp", about: "an open loop whose rate grows" },
  { id: "scenario", name: "The scenario's workload", about: "as the deployment's scenario has it" },
] as const;

export type Shape = (typeof SHAPES)[number]["id"];

/** Numbers of the form; each shape reads some. */
export interface Load {
  readonly shape: Shape;
  readonly n: number;
  readonly clients: number;
  readonly ratePerS: number;
  readonly toRatePerS: number;
  readonly durationS: number;
  /** A request without an answer is given up after this. */
  readonly limitS: number;
}

export type Workload = Readonly<Record<string, unknown>> & { readonly arrivals: string };

export interface Request {
  readonly model: string;
  readonly workload: Workload;
  readonly pictures: readonly Picture[];
}

export const USUAL: Load = {
  ...{ shape: "burst", n: 10, clients: 4, ratePerS: 5, toRatePerS: 20, durationS: 20 },
  limitS: 60,
};

/**
 * Null where there is no scenario, or its workload is a file of arrivals. A scenario whose clients give up by
 * themselves keeps them.
 */
export function workloadOf(load: Load, scenario: Workload | null): Workload | null {
  const arrivals = arrivalsOf(load, scenario);
  return arrivals === null ? null : { client: { timeoutMs: load.limitS * 1000 }, ...arrivals };
}

function arrivalsOf(load: Load, scenario: Workload | null): Workload | null {
  const { shape, n, clients, ratePerS, toRatePerS, durationS } = load;
  switch (shape) {
    case "burst":
      return { arrivals: "burst", requests: n };
    case "closed":
      return { arrivals: "closed", clients, requests: n };
    case "poisson":
      return { arrivals: "poisson", ratePerS, durationS };
    case "ramp":
      return {
        arrivals: "ramp",
        rates: [
          { atS: 0, ratePerS },
          { atS: durationS, ratePerS: toRatePerS },
        ],
        durationS,
      };
    case "scenario":
      return scenario === null || scenario.arrivals === "trace" ? null : scenario;
  }
}

/** The number of requests, where the form tells it. */
export function requestsOf({ shape, n, ratePerS, toRatePerS, durationS }: Load): number | null {
  if (shape === "burst" || shape === "closed") return n;
  if (shape === "poisson") return ratePerS * durationS;
  return shape === "ramp" ? ((ratePerS + toRatePerS) / 2) * durationS : null;
}
