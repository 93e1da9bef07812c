/**
 * The load generator beside wrk, hey and h2load, on the same HTTP endpoint in the same run: what it
 * can send when it waits for answers, and which latencies it reports.
 *
 *   npm run bench:load -- [--json] [--quick]
 */

import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { loadReport } from "../cluster/load/load-report.ts";
import { runLoad } from "../cluster/load/run-load.ts";
import { NO_ACCESS } from "../cluster/security/client-access.ts";
import { workloadSchema } from "../core/scenario/schema/workload.ts";

const CLIENTS = 16;
/** Time before the slow endpoint answers, usually and one time in twenty. */
const USUAL_MS = 20;
const RARE_MS = 60;
const RARE_EVERY = 20;
/** Rate for the comparison of latencies, low enough for all programs. */
const RATE_PER_S = 200;

interface Found {
  readonly perS: number;
  /** Null where the peer does not report it. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

interface Peer {
  readonly name: string;
  /** Closed loop. */
  readonly closed: (url: string, seconds: number) => readonly string[];
  /** At a rate, where it has one. */
  readonly rated?: (url: string, seconds: number) => readonly string[];
  /** Where its output has a figure. */
  readonly figures: Readonly<Partial<Record<keyof Found, RegExp>>>;
}

const c = String(CLIENTS);
const EACH_PER_S = String(RATE_PER_S / CLIENTS);
const PEERS: readonly Peer[] = [
  {
    name: "wrk",
    closed: (url, s) => ["-t1", `-c${c}`, `-d${s}s`, "--latency", url],
    figures: {
      perS: /Requests\/sec:\s+([\d.]+)/,
      p50Ms: /50%\s+(\S+)/,
      p90Ms: /90%\s+(\S+)/,
      p99Ms: /99%\s+(\S+)/,
    },
  },
  {
    name: "hey",
    closed: (url, s) => ["-c", c, "-z", `${s}s`, url],
    rated: (url, s) => ["-c", c, "-q", EACH_PER_S, "-z", `${s}s`, url],
    figures: {
      perS: /Requests\/sec:\s+([\d.]+)/,
      p50Ms: /50% in ([\d.]+ s)ecs/,
      p90Ms: /90% in ([\d.]+ s)ecs/,
      p99Ms: /99% in ([\d.]+ s)ecs/,
    },
  },
  {
    name: "h2load",
    closed: (url, s) => ["--h1", "-c", c, "-t1", "-D", String(s), url],
    rated: (url, s) => ["--h1", "-c", c, "-t1", "--rps", EACH_PER_S, "-D", String(s), url],
    // It reports the mean and the spread, no quantiles.
    figures: { perS: /finished in .*?, ([\d.]+) req\/s/ },
  },
];

const words = process.argv.slice(2);
if (words.includes("--serve")) serve();
else await compare(words.includes("--quick") ? 2 : 8);

/** The endpoint: /at-once answers at once, anything else after a time that is known. */
function serve(): void {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    if (request.url === "/at-once") response.end("ok\n");
    else setTimeout(() => response.end("ok\n"), ++count % RARE_EVERY === 0 ? RARE_MS : USUAL_MS);
  });
  server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => process.exit(0));
}

async function compare(seconds: number): Promise<void> {
  const server = fork(fileURLToPath(import.meta.url), ["--serve"]);
  try {
    const [port] = (await once(server, "message")) as [number];
    const fast = `http://127.0.0.1:${port}/at-once`;
    const slow = `http://127.0.0.1:${port}/later`;
    await own(fast, { arrivals: "closed", clients: CLIENTS, durationS: 1 });
    const result = {
      schema: "tandem/bench-load@1",
      ...{ cores: availableParallelism(), load: loadavg()[0], seconds },
      closed: {
        tandem: await own(fast, { arrivals: "closed", clients: CLIENTS, durationS: seconds }),
        ...peers((peer) => peer.closed(fast, seconds)),
      },
      rated: {
        tandem: await own(slow, {
          ...{ arrivals: "deterministic", ratePerS: RATE_PER_S, durationS: seconds },
        }),
        ...peers((peer) => peer.rated?.(slow, seconds) ?? null),
      },
    };
    process.stdout.write(words.includes("--json") ? `${JSON.stringify(result)}\n` : text(result));
  } finally {
    await ended(server);
  }
}

async function ended(server: ChildProcess): Promise<void> {
  const exit = once(server, "exit");
  server.disconnect();
  await exit;
}

async function own(url: string, workload: object): Promise<Found> {
  const parsed = workloadSchema.parse(workload);
  const how = { method: "GET", connections: 256, access: NO_ACCESS };
  const result = await runLoad({
    target: { kind: "http", endpoints: [{ url, headers: {}, bodies: [] }], ...how },
    pipelines: [{ name: "endpoint", share: 1 }],
    workload: parsed,
    seed: "bench",
    warmUp: true,
  });
  const { throughputPerS, latencyP50Ms, latencyP90Ms, latencyP99Ms } = loadReport(result, parsed);
  const [p50Ms, p90Ms, p99Ms] = [latencyP50Ms, latencyP90Ms, latencyP99Ms];
  return { perS: throughputPerS, p50Ms, p90Ms, p99Ms };
}

/** The findings of each peer, or the reason why it has none. */
function peers(
  wordsOf: (peer: Peer) => readonly string[] | null,
): Readonly<Record<string, Found | string>> {
  return Object.fromEntries(
    PEERS.map((peer) => {
      const options = wordsOf(peer);
      if (options === null) return [peer.name, "has no rate"];
      const { status, stdout, error } = spawnSync(peer.name, options, { encoding: "utf8" });
      if (error !== undefined) return [peer.name, "is not installed"];
      return [peer.name, status === 0 ? found(peer, stdout) : `ended with ${status}`];
    }),
  );
}

function found({ figures }: Peer, text: string): Found {
  const of = (name: keyof Found): string => figures[name]?.exec(text)?.[1] ?? "";
  const [p50Ms, p90Ms, p99Ms] = (["p50Ms", "p90Ms", "p99Ms"] as const).map((name) =>
    milliseconds(of(name)),
  );
  return { perS: Number(of("perS")), p50Ms, p90Ms, p99Ms };
}

/** "1.23ms", "456us" and "1.2 s". Null for anything else. */
function milliseconds(text: string): number | null {
  const [, number, unit = ""] = /^([\d.]+) ?(us|ms|s)$/.exec(text) ?? [];
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit];
  return factor === undefined ? null : Number(number) * factor;
}

type Table = Readonly<Record<string, Found | string>>;

type Result = Record<"cores" | "load", number> & Record<"closed" | "rated", Table>;

function text({ cores, load, closed, rated }: Result): string {
  const slow = `takes ${USUAL_MS} ms, one time in ${RARE_EVERY} ${RARE_MS} ms`;
  return [
    `${cores} cores, load ${load.toFixed(1)}; ratios are ours over the peer's, in this run`,
    "",
    `closed loop, ${CLIENTS} clients, an endpoint that answers at once`,
    ...rows(closed),
    "",
    `${RATE_PER_S} requests a second, an endpoint that ${slow}`,
    ...rows(rated),
    "",
  ].join("\n");
}

function rows(table: Table): readonly string[] {
  const ours = table.tandem as Found;
  const ms = (value: number | null): string =>
    (value === null ? "—" : `${value.toFixed(2)} ms`).padStart(9);
  return Object.entries(table).map(([name, result]) => {
    const head = `  ${name.padEnd(8)}`;
    if (typeof result === "string") return `${head} ${result}: left out`;
    const { perS, p50Ms, p90Ms, p99Ms } = result;
    const own = `${head} ${perS.toFixed(0).padStart(7)}/s  p50 ${ms(p50Ms)}  p90 ${ms(p90Ms)}  p99 ${ms(p99Ms)}`;
    if (name === "tandem") return own;
    const ratios = (["perS", "p50Ms", "p99Ms"] as const).map((figure) => {
      const [a, b] = [ours[figure], result[figure]];
      const shown = figure === "perS" ? "rate" : figure.replace("Ms", "");
      return `${shown} × ${a === null || b === null ? "—" : (a / b).toFixed(2)}`;
    });
    return `${own}  ${ratios.join(", ")}`;
  });
}
