/** `tandem web`: the web app on this machine, before any server that it is to measure. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getJson } from "../cluster/protocol/http-client.ts";
import { serveWeb } from "../cluster/web/web-server.ts";
import { Fault } from "../core/fault.ts";
import { print } from "./command-line.ts";
import { endingSignal } from "./failure.ts";

interface WebArguments {
  readonly url?: string;
  readonly port: number;
  readonly ca?: string;
  readonly certs?: string;
  readonly json: boolean;
}

/** Serves until a signal ends it. Rejects with a Fault for a bad address or file. */
export async function web(args: WebArguments): Promise<void> {
  const { port } = args;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Fault("usage", `--port: expected 0 to 65535, got ${port}`);
  }
  const url = args.url === undefined ? null : checkedUrl(args.url);
  const server = await serveWeb({ url, port, ca: authorityOf(args) });
  const page = `http://127.0.0.1:${server.port}/`;
  const document = { schema: "tandem/web@1", page, server: url };
  const serving = url === null ? "" : `, before ${url}`;
  print(args.json, document, `the web app is at ${page}${serving}; Ctrl-C ends it`);
  if (url !== null) await warnIfSilent(url);
  const { signal, off } = endingSignal();
  await once(signal, "abort");
  off();
  await server.close();
  if (signal.reason === "SIGINT") throw new Fault("interrupted", "interrupted");
}

function checkedUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  const isAddress = URL.canParse(url) && /^[\w.:[\]-]+$/.test(new URL(url).hostname);
  if (isAddress && new URL(url).search === "") return url.replace(/\/$/, "");
  throw new Fault("usage", `--url: expected http(s)://host:port, got ${text}`, {
    hint: "`tandem cluster status` shows the REST address of a cluster that is up",
  });
}

function authorityOf({ ca, certs }: WebArguments): string | null {
  const file = ca ?? (certs === undefined ? undefined : join(certs, "ca.crt"));
  if (file === undefined) return null;
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Fault("invalid-input", `${file} cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function warnIfSilent(url: string): Promise<void> {
  try {
    await getJson(`${url}/v2`);
  } catch (error) {
    process.stderr.write(`note: ${(error as Error).message}; the page connects when it is up\n`);
  }
}
