/** `tandem cluster serve`: one gateway or worker in the foreground, as containers start it. */
import { type ClusterServeOptions, cluster } from "../library/index.ts";
import { endingSignal } from "./failure.ts";

export type ServeArguments = Omit<ClusterServeOptions, "signal" | "onNote">;

/** Resolves once SIGTERM or SIGINT has ended it in order. */
export async function serveCommand(args: ServeArguments): Promise<void> {
  const { signal, off } = endingSignal();
  try {
    const onNote = (line: string): void => void process.stderr.write(`${line}\n`);
    await cluster.serve({ ...args, signal, onNote });
  } finally {
    off();
  }
}
