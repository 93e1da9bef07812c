/** The options of `tandem load`; the work is in `load.ts`, loaded when it is called. */
import { type Command, flag, number, text } from "./command-line.ts";
import { INPUTS, JSON_OPTION, SEED, SET } from "./shared-options.ts";

export const ARRIVALS: readonly string[] = [
  ...["poisson", "deterministic", "burst", "closed"],
  ...["mlperf-single-stream", "mlperf-multi-stream", "mlperf-server", "mlperf-offline"],
];

export const LOAD: Command = {
  usage: "load [scenario]",
  about: "drive any endpoint with a workload",
  positionals: {
    scenario: { type: "string", describe: "scenario file (YAML): its workload and pipelines" },
  },
  options: {
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
  },
  examples: [
    ["load scenarios/image-analysis.yaml --url 127.0.0.1:8001", "a cluster that is up"],
    ["load --url http://127.0.0.1:9000/score --body x.json --rate 200", "any REST endpoint"],
    ["load --url grpc://triton:8001 --model yolo --clients 8", "any server of the protocol"],
    [
      "load --url 127.0.0.1:8001 --model m --arrivals mlperf-server --rate 50 --set workload.latencyBoundMs=100",
      "MLPerf's Server scenario",
    ],
  ],
  run: async (args) => (await import("./load.ts")).load(args),
};
