/**
 * A case: a scenario as a user writes it, and the figures that theory gives for it exactly. Every
 * scenario's mean service time is around 10 ms, so that whole microseconds round nothing away.
 */

/** A section of a scenario as a user writes it. */
export type Section = Readonly<Record<string, unknown>>;

export interface TheoryCase {
  /** Unique among all cases. */
  readonly name: string;
  readonly scenario: Section;
  /** Exact values by figure: a metric, or `name.metric` for one of a task's or a pipeline's. */
  readonly exact: Readonly<Record<string, number>>;
}

export interface Family {
  readonly title: string;
  /** Source of the exact values. */
  readonly source: string;
  readonly cases: readonly TheoryCase[];
}

/** Share of the measured window that a run is given to forget that it started empty. */
const WARM_UP = 0.01;

export function exponential(meanMs: number): Section {
  return { service: { distribution: "exponential", meanMs } };
}

export function deterministic(meanMs: number): Section {
  return { service: { distribution: "deterministic", meanMs } };
}

/** Arrivals of any kind of renewal process, about `requests` of them in the measured window. */
export function open(
  ratePerS: number,
  requests: number,
  gaps: Section = { arrivals: "poisson" },
): Section {
  return { ...gaps, ratePerS, ...span(requests / ratePerS) };
}

/** `clients` that pause for `thinkMs`, over a measured window of `seconds`. */
export function closed(clients: number, thinkMs: number, seconds: number): Section {
  return { arrivals: "closed", clients, thinkMs, ...span(seconds) };
}

/** The extent of a workload with so many seconds in its measured window. */
export function span(seconds: number): { durationS: number; warmupS: number } {
  const warmupS = Math.ceil(seconds * WARM_UP);
  return { durationS: Math.ceil(seconds) + warmupS, warmupS };
}

/** One pipeline of these tasks, each with its replicas. */
export function pipelineOf(
  tasks: Readonly<Record<string, Section & { readonly replicas: number }>>,
  models: Section,
  workload: Section,
): Section {
  const each = Object.entries(tasks).map(([name, { replicas, ...task }]) => ({
    name,
    replicas,
    task,
  }));
  return {
    name: "theory",
    pipelines: { p: { tasks: Object.fromEntries(each.map(({ name, task }) => [name, task])) } },
    models,
    cluster: { replicas: Object.fromEntries(each.map(({ name, replicas }) => [name, replicas])) },
    workload,
  };
}

/** A task `serve` on one exponential replica of mean 10 ms, with the given sections in place of these. */
export function queue({
  workload,
  server = exponential(10),
  replicas = 1,
  scheduler = "fifo",
  cluster,
}: {
  readonly workload: Section;
  readonly server?: Section;
  readonly replicas?: number;
  readonly scheduler?: unknown;
  readonly cluster?: Section;
}): Section {
  return {
    name: "queue",
    pipelines: { queue: { tasks: { serve: { model: "server" } } } },
    models: { server },
    cluster: { replicas: { serve: replicas }, ...cluster },
    scheduler,
    workload,
  };
}
