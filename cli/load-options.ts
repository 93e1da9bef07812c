/** The options of `tandem load`: data alone, so that help and completion load nothing else. */
import type { Options } from "yargs";
import { flag, INPUTS, JSON_OPTION, number, SEED, SET, text } from "./command-line.ts";

export const ARRIVALS: readonly string[] = [
  ...["poisson", "deterministic", "burst", "closed"],
  ...["mlperf-single-stream", "mlperf-multi-stream", "mlperf-server", "mlperf-offline"],
];

export const LOAD_OPTIONS: Readonly<Record<string, Options>> = {
  url: text("host:port, grpc(s)://host:port, http(s)://host:port[/path]", { demandOption: true }),
  model: text("send to this model, not to the scenario's pipelines"),
  arrivals: text("in place of the scenario's", { choices: ARRIVALS }),
  rate: number("open loop, so many a second"),
  clients: number("closed loop: each waits for its answer, then sends again"),
  duration: number("requests stop after so many s; without a scenario: 10"),
  count: number("requests stop after so many"),
  timeout: number("a client gives up an attempt after so many ms; 0: never; default: 60000"),
  retries: number("and tries again so often"),
  images: text("photographs to send; default, for our own gateway: drawn scenes"),
  ...INPUTS,
  body: text("to a plain address with a path: what is sent"),
  "content-type": text("of the body; default: application/octet-stream"),
  method: text("to a plain address; default: POST with a body, else GET"),
  stream: { type: "boolean", describe: "by Triton's streams, where a server has them" },
  connections: number("of HTTP, at most", { default: 1024 }),
  certs: text("of `tandem cluster certs`: TLS, with its client certificate"),
  ca: text("certificates (PEM) to trust, of a server that is not ours"),
  "token-file": text("a bearer token to show"),
  "warm-up": flag("send unmeasured requests before, until they get no faster"),
  ...SET,
  ...SEED,
  ...JSON_OPTION,
};
