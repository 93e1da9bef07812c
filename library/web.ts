/** `web`: the web app on this machine, before any server that it is to measure. */
import { join } from "node:path";
import { getJson } from "../cluster/security/client-access.ts";
import { serveWeb } from "../cluster/web/web-server.ts";
import { Fault, requireWhole } from "../core/fault.ts";
import { contentOf } from "./scenario.ts";

export interface WebOptions {
  /** The server to measure. Default: the page can only call servers that let it. */
  readonly url?: string | undefined;
  /** Port on loopback; with 0 the system picks a free one. */
  readonly port: number;
  /** File of certificates (PEM) to trust. */
  readonly ca?: string | undefined;
  /** Folder of `tandem cluster certs`. */
  readonly certs?: string | undefined;
}

export interface WebServer {
  /** Address of the page. */
  readonly page: string;
  /** Address of the server behind it; null without one. */
  readonly server: string | null;
  /** Why that server does not answer; null where it does. */
  readonly silence: Promise<string | null>;
  close(): Promise<void>;
}

/**
 * Serves the web app on loopback until it is closed. Rejects with Fault("usage") for a bad address or port,
 * Fault("not-found") for a file that cannot be read, Fault("cluster-failure") for a port in use.
 */
export async function web({ port, ca, certs, ...options }: WebOptions): Promise<WebServer> {
  requireWhole("--port is", port, [0, 65_535]);
  const url = options.url === undefined ? null : checkedUrl(options.url);
  const file = ca ?? (certs === undefined ? undefined : join(certs, "ca.crt"));
  const authority = file === undefined ? null : contentOf(file, file).toString();
  const server = await serveWeb({ url, port, ca: authority });
  const answered = url === null ? Promise.resolve() : getJson(`${url}/v2`);
  const silence = answered.then(
    () => null,
    (error: Error) => error.message,
  );
  const page = `http://127.0.0.1:${server.port}/`;
  return { page, server: url, silence, close: () => server.close() };
}

function checkedUrl(text: string): string {
  const url = /^https?:\/\//.test(text) ? text : `http://${text}`;
  const isAddress = URL.canParse(url) && /^[\w.:[\]-]+$/.test(new URL(url).hostname);
  if (isAddress && new URL(url).search === "") return url.replace(/\/$/, "");
  throw new Fault("usage", `--url: expected http(s)://host:port, got ${text}`, {
    hint: "`tandem cluster status` shows the REST address of a cluster that is up",
  });
}
