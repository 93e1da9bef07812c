/** The findings of `bench:cluster` as text, beside their bounds. */
import type { Latency, Rate } from "./cluster-load.ts";
import type { RayFigures, RayServe } from "./ray-serve.ts";

interface ClusterFigures {
  readonly workerAlone: Latency;
  readonly throughGateway: Latency;
  readonly twoTasks: Latency;
  readonly echoLatency: Latency;
  readonly unary: Rate;
  readonly echoUnary: Rate;
  readonly batched: Rate;
  readonly oneStream: Rate;
  readonly echoOneStream: Rate;
  readonly pictures: Rate;
  readonly echoPictures: Rate;
  readonly rayServe: RayServe;
}

export function clusterTable(found: ClusterFigures, load: number): string {
  const { workerAlone, throughGateway, echoLatency, unary, batched, pictures } = found;
  const { echoUnary, oneStream, echoOneStream, echoPictures } = found;
  const added = {
    p50Ms: throughGateway.p50Ms - workerAlone.p50Ms,
    p99Ms: throughGateway.p99Ms - workerAlone.p99Ms,
  };
  return [
    `load while it ran ${load.toFixed(1)}`,
    latency("no-op, worker alone, one at a time", workerAlone),
    latency("no-op, through the gateway", throughGateway),
    `${latency("the gateway adds", added)}; asked: p50 at most 0.5, p99 at most 2`,
    latency("two no-ops, through the gateway", found.twoTasks),
    latency("bare echo", echoLatency),
    `${rate("two tasks, 16 calls at once", unary)}; asked: 2000/s`,
    rate("bare echo, 16 calls at once", echoUnary),
    `${rate("two tasks, 64 at once on one stream", oneStream)}; asked: 5000/s`,
    `${rate("the same in batches of up to 16", batched)}; asked: 5000/s`,
    rate("bare echo, 64 at once on one stream", echoOneStream),
    `${rate("two tasks, 150 KiB, 16 calls at once", pictures)}; asked: 250/s`,
    rate("bare echo, 150 KiB, 16 calls at once", echoPictures),
    "",
    "end to end by one bare echo (asked: two tasks one at a time at most 4, 16 calls 4 by processor",
    "time, one stream 8, pictures 2.5)",
    compared("one no-op, one at a time, p50", throughGateway.p50Ms / echoLatency.p50Ms),
    compared("two no-ops, one at a time, p50", found.twoTasks.p50Ms / echoLatency.p50Ms),
    ratio("two tasks, 16 calls at once", unary, [echoUnary]),
    ratio("two tasks, 64 at once on one stream", oneStream, [echoOneStream]),
    ratio("the same in batches of up to 16", batched, [echoOneStream]),
    ratio("two tasks, 150 KiB, 16 calls at once", pictures, [echoPictures]),
    "",
    "the same by the bare echoes that it is made of: its client's, and one with a worker for each task",
    ratio("two tasks, 16 calls at once", unary, [echoUnary, echoOneStream, echoOneStream]),
    ratio("two tasks, 64 at once on one stream", oneStream, [
      echoOneStream,
      echoOneStream,
      echoOneStream,
    ]),
    "",
    ...rayLines(found),
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
  const sum = (of: (echo: Rate) => number): number =>
    echoes.reduce((total, echo) => total + of(echo), 0);
  const byClock = 1 / perS / sum((echo) => 1 / echo.perS);
  const byProcessor = (clientUs + serversUs) / sum((echo) => echo.clientUs + echo.serversUs);
  return `${compared(name, byClock)} by the clock, ${byProcessor.toFixed(1)} by processor time`;
}

function compared(name: string, times: number): string {
  return `${name.padEnd(44)} ${times.toFixed(1)}`;
}

function rayLines({ rayServe, twoTasks, unary }: ClusterFigures): readonly string[] {
  if (rayServe.kind === "skipped") return [`skipped: ${rayServe.message}`];
  const { version, oneAtATime, unary: theirs }: RayFigures = rayServe.figures;
  const byProcessor = (theirs.clientUs + theirs.serversUs) / (unary.clientUs + unary.serversUs);
  return [
    latency(`Ray Serve ${version}, two no-ops`, oneAtATime),
    rate("the same, 16 calls at once", theirs),
    "Ray Serve by ours (asked: at least 5)",
    compared("two no-ops, one at a time, p50", oneAtATime.p50Ms / twoTasks.p50Ms),
    `${compared("16 calls at once", unary.perS / theirs.perS)} by the clock, ` +
      `${byProcessor.toFixed(1)} by processor time`,
  ];
}
