/** `tandem cluster serve`: one gateway or worker in the foreground, as containers start it. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { type ServeOptions, serve } from "../cluster/containers/serve.ts";
import { PORTS } from "../cluster/containers/service-configuration.ts";
import { endingSignal } from "./failure.ts";

export interface ServeArguments {
  readonly role: ServeOptions["role"];
  readonly config: string;
  readonly name?: string;
  readonly host: string;
  readonly port?: number;
  readonly certs?: string;
  readonly tokens?: string;
  readonly healthPort?: number;
  readonly readyFile?: string;
}

/** Resolves once SIGTERM or SIGINT has ended it in order. */
export async function serveCommand(args: ServeArguments): Promise<void> {
  const { role, config, name = hostname(), host, certs, tokens, healthPort, readyFile } = args;
  const { signal, off } = endingSignal();
  try {
    await serve({
      ...{ role, config, name, host, signal },
      port: args.port ?? (role === "gateway" ? PORTS.http : PORTS.worker),
      certificates: certs === undefined ? null : resolve(certs),
      tokens: tokens === undefined ? null : resolve(tokens),
      healthPort: healthPort ?? null,
      readyFile: readyFile ?? null,
      onEvent: (line) => process.stderr.write(`${line}\n`),
    });
  } finally {
    off();
  }
}
