/** `tandem cluster serve`: one gateway or worker in the foreground, as containers start it. */
import { type ClusterServeOptions, cluster } from "../library/index.ts";

export type ServeArguments = Omit<ClusterServeOptions, "signal" | "onNote">;

/** Resolves once SIGTERM or SIGINT has ended it in order. */
export async function serveCommand(args: ServeArguments): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
  try {
    const onNote = (line: string): void => void process.stderr.write(`${line}\n`);
    await cluster.serve({ ...args, signal: ending.signal, onNote });
  } finally {
    process.off("SIGTERM", end);
    process.off("SIGINT", end);
  }
}
