/** `tandem web`: the web app on this machine, before any server that it is to measure. */
import { once } from "node:events";
import { Fault } from "../core/fault.ts";
import { web as serve, type WebOptions } from "../library/index.ts";
import { print } from "./command-line.ts";
import { endingSignal } from "./failure.ts";

/** Serves until a signal ends it. */
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
