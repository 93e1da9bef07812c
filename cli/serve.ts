/** Servers in the foreground: `tandem cluster serve`, as containers start it, and `tandem web`. */
import { once } from "node:events";
import { Fault } from "../core/fault.ts";
import {
  type ClusterServeOptions,
  cluster,
  web as serve,
  type WebOptions,
} from "../library/index.ts";
import { print } from "./command-line.ts";
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

/** Serves the web app until a signal ends it. */
export async function web({ json, ...options }: WebOptions & { json: boolean }): Promise<void> {
  const { page, server, silence, close } = await serve(options);
  const serving = server === null ? "" : `, before ${server}`;
  const document = { schema: "tandem/web@1", page, server };
  print(json, document, `the web app is at ${page}${serving}; Ctrl-C ends it`);
  const why = await silence;
  if (why !== null) process.stderr.write(`note: ${why}; the page connects when it is up\n`);
  const { signal, off } = endingSignal();
  await once(signal, "abort");
  off();
  await close();
  if (signal.reason === "SIGINT") throw new Fault("interrupted", "interrupted");
}
