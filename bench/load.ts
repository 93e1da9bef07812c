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
  readonly rated: ((url: string, seconds: number) => readonly string[]) | null;
  readonly read: (stdout: string) => Found;
}

const c = String(CLIENTS);
const PEERS: readonly Peer[] = [
  {
    name: "wrk",
    closed: (url, s) => ["-t1", `-c${c}`, `-d${s}s`, "--latency", url],
    rated: null,
    read: (text) => ({
      perS: Number(found(text, /Requests\/sec:\s+([\d.]+)/)),
      p50Ms: milliseconds(found(text, /50%\s+(\S+)/)),
      p90Ms: milliseconds(found(text, /90%\s+(\S+)/)),
      p99Ms: milliseconds(found(text, /99%\s+(\S+)/)),
    }),
  },
  {
    name: "hey",
    closed: (url, s) => ["-c", c, "-z", `${s}s`, url],
    rated: (url, s) => ["-c", c, "-q", String(RATE_PER_S / CLIENTS), "-z", `${s}s`, url],
    read: (text) => ({
      perS: Number(found(text, /Requests\/sec:\s+([\d.]+)/)),
      p50Ms: milliseconds(found(text, /50% in ([\d.]+) secs/), "s"),
      p90Ms: milliseconds(found(text, /90% in ([\d.]+) secs/), "s"),
      p99Ms: milliseconds(found(text, /99% in ([\d.]+) secs/), "s"),
    }),
  },
  {
    name: "h2load",
    closed: (url, s) => ["--h1", "-c", c, "-t1", "-D", String(s), url],
    rated: (url, s) => [
      ...["--h1", "-c", c, "-t1", "--rps", String(RATE_PER_S / CLIENTS), "-D", String(s), url],
    ],
    // It reports the mean and the spread, no quantiles.
    read: (text) => ({
      perS: Number(found(text, /finished in .*?, ([\d.]+) req\/s/)),
      ...{ p50Ms: null, p90Ms: null, p99Ms: null },
    }),
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
  const access = NO_ACCESS;
  const how = { method: "GET", connections: 256, access };
  const result = await runLoad({
    target: { kind: "http", endpoints: [{ url, headers: {}, bodies: [] }], ...how },
    pipelines: [{ name: "endpoint", share: 1 }],
    workload: parsed,
    seed: "bench",
    warmUp: true,
  });
  const { throughputPerS, latencyP50Ms, latencyP90Ms, latencyP99Ms } = loadReport(result, parsed);
  return {
    ...{ perS: throughputPerS, p50Ms: latencyP50Ms, p90Ms: latencyP90Ms, p99Ms: latencyP99Ms },
  };
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
      return [peer.name, status === 0 ? peer.read(stdout) : `ended with ${status}`];
    }),
  );
}

function found(text: string, pattern: RegExp): string {
  return pattern.exec(text)?.[1] ?? "";
}

/** "1.23ms", "456us" and "1.2s"; or a number of the given unit. Null for anything else. */
function milliseconds(text: string, unit?: string): number | null {
  const [, number, own] = /^([\d.]+)(us|ms|s)?$/.exec(text) ?? [];
  const factor = { us: 0.001, ms: 1, s: 1000 }[unit ?? own ?? ""];
  return number === undefined || factor === undefined ? null : Number(number) * factor;
}

type Table = Readonly<Record<string, Found | string>>;

function text({
  cores,
  load,
  closed,
  rated,
}: Record<"cores" | "load", number> & Record<"closed" | "rated", Table>): string {
  return [
    `${cores} cores, load ${load.toFixed(1)}; ratios are ours over the peer's, in this run`,
    "",
    `closed loop, ${CLIENTS} clients, an endpoint that answers at once`,
    ...rows(closed),
    "",
    `${RATE_PER_S} requests a second, an endpoint that takes ${USUAL_MS} ms, one time in ${RARE_EVERY} ${RARE_MS} ms`,
    ...rows(rated),
    "",
  ].join("\n");
}

function rows(table: Table): readonly string[] {
  const ours = table.tandem as Found;
  return Object.entries(table).map(([name, result]) => {
    if (typeof result === "string") return `  ${name.padEnd(8)} ${result}: left out`;
    const ms = (value: number | null): string => (value === null ? "—" : `${value.toFixed(2)} ms`);
    const ratio = (a: number | null, b: number | null): string =>
      a === null || b === null ? "—" : (a / b).toFixed(2);
    const { perS, p50Ms, p90Ms, p99Ms } = result;
    const own = `${perS.toFixed(0).padStart(7)}/s  p50 ${ms(p50Ms).padStart(9)}  p90 ${ms(p90Ms).padStart(9)}  p99 ${ms(p99Ms).padStart(9)}`;
    if (name === "tandem") return `  ${name.padEnd(8)} ${own}`;
    const ratios = [
      `rate × ${ratio(ours.perS, perS)}`,
      `p50 × ${ratio(ours.p50Ms, p50Ms)}`,
      `p99 × ${ratio(ours.p99Ms, p99Ms)}`,
    ];
    return `  ${name.padEnd(8)} ${own}  ${ratios.join(", ")}`;
  });
}
