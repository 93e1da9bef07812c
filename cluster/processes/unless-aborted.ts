/** Work that Ctrl-C ends at once, whatever it waits for. */
import { Fault } from "../../core/fault.ts";

/**
 * Settles as the work does; rejects with Fault("interrupted") as soon as the signal is aborted. The
 * work itself goes on: stop what it uses.
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  if (signal === undefined) return work;
  let abandon: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abandon = () => reject(new Fault("interrupted", "interrupted"));
  });
  signal.addEventListener("abort", abandon);
  if (signal.aborted) abandon();
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}
