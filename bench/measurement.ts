/** What every measured program prints: one line of JSON about one simulation. */
export interface Measurement {
  /** Arrivals and ends of service. */
  readonly events: number;
  /** By the clock on the wall. */
  readonly seconds: number;
  /** By the processor time of all the process's threads, collection of garbage included. */
  readonly cpuSeconds: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const FIELDS = ["events", "seconds", "cpuSeconds", "meanMs", "p50Ms", "p99Ms"] as const;

/** Throws if `text` is not a measurement with a positive number in every field. */
export function parseMeasurement(text: string): Measurement {
  const parsed = JSON.parse(text) as Partial<Record<(typeof FIELDS)[number], unknown>>;
  for (const field of FIELDS) {
    const value = parsed[field];
    if (typeof value !== "number" || !(value > 0)) {
      throw new Error(`expected a positive number as ${field}, got ${text.trim()}`);
    }
  }
  return parsed as Measurement;
}

export const eventsPerCpuS = ({ events, cpuSeconds }: Measurement): number => events / cpuSeconds;
