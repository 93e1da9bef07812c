/** `tandem web`: the web app on this machine, before any server that it is to measure. */
import { Fault } from "../core/fault.ts";
import { web as serve, type WebOptions } from "../library/index.ts";

/** Serves until a signal ends it. */
export async function web({ json, ...options }: WebOptions & { json: boolean }): Promise<void> {
  const { page, server, silence, close } = await serve(options);
  const serving = server === null ? "" : `, before ${server}`;
  process.stdout.write(
    json
      ? `${JSON.stringify({ schema: "tandem/web@1", page, server })}\n`
      : `the web app is at ${page}${serving}; Ctrl-C ends it\n`,
  );
  const why = await silence;
  if (why !== null) process.stderr.write(`note: ${why}; the page connects when it is up\n`);
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, resolve);
  });
  await close();
  if (signal === "SIGINT") throw new Fault("interrupted", "interrupted");
}
