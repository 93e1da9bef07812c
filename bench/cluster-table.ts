/** What `bench:cluster` found, for people, beside what is asked. */
export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Rate {
  readonly perS: number;
  /** Processor time of client and of all servers, per request. */
  readonly clientUs: number;
  readonly serversUs: number;
}

export interface ClusterFigures {
  readonly workerAlone: Latency;
  readonly throughGateway: Latency;
  readonly echoLatency: Latency;
  readonly unary: Rate;
  readonly echoUnary: Rate;
  readonly streamed: Rate;
  readonly batched: Rate;
  readonly echoStreamed: Rate;
  readonly pictures: Rate;
  readonly echoPictures: Rate;
}

export function clusterTable(found: ClusterFigures, load: number): string {
  const { workerAlone, throughGateway, echoLatency, unary, streamed, batched, pictures } = found;
  const { echoUnary, echoStreamed, echoPictures } = found;
  const added = {
    p50Ms: throughGateway.p50Ms - workerAlone.p50Ms,
    p99Ms: throughGateway.p99Ms - workerAlone.p99Ms,
  };
  return [
    `load while it ran ${load.toFixed(1)}`,
    latency("no-op, worker alone, one at a time", workerAlone),
    latency("no-op, through the gateway", throughGateway),
    `${latency("the gateway adds", added)}; asked: p50 at most 0.5, p99 at most 2`,
    latency("bare echo", echoLatency),
    `${rate("two tasks, 16 calls at once", unary)}; asked: 2000/s`,
    rate("bare echo, 16 calls at once", echoUnary),
    `${rate("two tasks, 64 streamed at once", streamed)}; asked: 5000/s`,
    `${rate("the same in batches of up to 16", batched)}; asked: 5000/s`,
    rate("bare echo, 64 streamed at once", echoStreamed),
    `${rate("two tasks, 150 KiB, 16 calls at once", pictures)}; asked: 250/s`,
    rate("bare echo, 150 KiB, 16 calls at once", echoPictures),
    "",
    "time per request by that of the bare echoes it is made of (asked: at most 2), and by one echo",
    // A request through two tasks is one exchange with its client and one with a worker for each
    // task, which streams.
    ratio("calls", unary, [echoUnary, echoStreamed, echoStreamed]),
    ratio("streamed", streamed, [echoStreamed, echoStreamed, echoStreamed]),
    ratio("streamed, in batches", batched, [echoStreamed, echoStreamed, echoStreamed]),
    ratio("150 KiB", pictures, [echoPictures, echoPictures, echoPictures]),
  ].join("\n");
}

function latency(name: string, { p50Ms, p99Ms }: Latency): string {
  return `${name.padEnd(44)} p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

function rate(name: string, { perS, clientUs, serversUs }: Rate): string {
  const time = `client ${clientUs.toFixed(0)} µs, servers ${serversUs.toFixed(0)} µs`;
  return `${name.padEnd(44)} ${perS.toFixed(0)}/s, ${time} of processor time each`;
}

function ratio(name: string, { perS, clientUs, serversUs }: Rate, echoes: readonly Rate[]): string {
  const [first] = echoes;
  const sum = (of: (echo: Rate) => number): number =>
    echoes.reduce((total, echo) => total + of(echo), 0);
  const byClock = 1 / perS / sum((echo) => 1 / echo.perS);
  const byProcessor = (clientUs + serversUs) / sum((echo) => echo.clientUs + echo.serversUs);
  return (
    `${name.padEnd(44)} ${byClock.toFixed(1)} by the clock, ${byProcessor.toFixed(1)} by ` +
    `processor time; ${(first.perS / perS).toFixed(1)} by one echo`
  );
}
