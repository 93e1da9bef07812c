/** The web app at `/`: the few static files that `build/make-web.mjs` made, read once, sent packed. */
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Fault } from "../../engine/basics/fault.ts";
import type { App } from "./route.ts";

const pack = promisify(gzip);

/** From the sources, from a bundle in dist/, and from modules in dist/ or a bundle on another machine. */
const FOLDER = new URL(
  import.meta.url.endsWith(".ts")
    ? "../../dist/web/"
    : import.meta.url.includes("/dist/cluster-bundle/")
      ? "../../../web/"
      : "../../web/",
  import.meta.url,
);

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  md: "text/plain; charset=utf-8",
  wasm: "application/wasm",
};

/** The page calls any server that its user names. React Aria writes style elements. HiGHS is WebAssembly. */
const HEADERS = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self' blob:",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' blob: data:",
    "connect-src 'self' http: https:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
};

let files: ReturnType<typeof readAll> | null = null;

/** How the page reaches what it measures: `server` is an address that is not the page's own. */
interface AppServer {
  readonly kind: "gateway" | "proxy";
  readonly server: string | null;
}

/** Adds `GET /`, `GET /assets/FILE` and `GET /app.json`, which ask for no credentials. */
export function addAppRoutes(app: App, server: AppServer): void {
  const options = { config: { role: "public" }, schema: { hide: true } } as const;
  app.get("/", options, (request, reply) => send(request, reply, "index.html"));
  app.get("/app.json", options, () => server);
  app.get("/assets/:file", options, (request, reply) => {
    const { file } = request.params as { readonly file: string };
    return send(request, reply, `assets/${file}`);
  });
}

async function send(request: FastifyRequest, reply: FastifyReply, name: string): Promise<Buffer> {
  files ??= readAll().catch((error) => {
    files = null;
    throw error;
  });
  const file = (await files).get(name);
  if (file === undefined) {
    if ((await files).size === 0) files = null;
    throw new Fault("not-found", `there is no ${name} in the web app`, {
      hint: "`npm run build` makes the app",
    });
  }
  const isPacked = /\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""));
  reply.headers({
    ...HEADERS,
    "content-type": TYPES[/\w+$/.exec(name)?.[0] ?? ""] ?? "application/octet-stream",
    // Addresses of assets have a digest of their contents.
    "cache-control": name === "index.html" ? "no-cache" : "public, max-age=31536000, immutable",
    vary: "accept-encoding",
    ...(isPacked ? { "content-encoding": "gzip" } : {}),
  });
  return isPacked ? file.packed : file.plain;
}

/** By name; empty before the app is built. No part of a request becomes a path. */
async function readAll() {
  const assets = await readdir(new URL("assets/", FOLDER)).catch(() => null);
  const names = assets === null ? [] : ["index.html", ...assets.map((name) => `assets/${name}`)];
  const read = names.map(async (name) => {
    const plain = await readFile(new URL(name, FOLDER));
    return [name, { plain, packed: await pack(plain) }] as const;
  });
  return new Map(await Promise.all(read));
}
