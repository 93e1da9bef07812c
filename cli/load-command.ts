/** The options of `tandem load`; the work is in `load.ts`, loaded when it is called. */
import type { Command } from "commander";
import { choice, examples, number } from "./command-line.ts";

const ARRIVALS = [
  ...["poisson", "deterministic", "burst", "closed"],
  ...["mlperf-single-stream", "mlperf-multi-stream", "mlperf-server", "mlperf-offline"],
];

/** Adds its arguments, options and examples to a command that has those of every command. */
export function addLoadCommand(load: Command): void {
  load
    .argument("[scenario]", "scenario file (YAML): its workload and pipelines")
    .requiredOption("--url <url>", "host:port, grpc(s)://host:port, http(s)://host:port[/path]")
    .option("--model <name>", "send to this model, not to the scenario's pipelines")
    .addOption(choice("--arrivals <kind>", "in place of the scenario's", ARRIVALS))
    .addOption(number("--rate <per s>", "open loop, so many a second"))
    .addOption(number("--clients <n>", "closed loop: each waits for its answer, then sends again"))
    .addOption(number("--duration <s>", "requests stop then; without a scenario: 10"))
    .addOption(number("--count <n>", "requests stop after so many"))
    .addOption(number("--timeout <ms>", "a client gives up an attempt after this"))
    .addOption(number("--retries <n>", "and tries again so often"))
    .option("--images <dir>", "photographs to send; default, for our own gateway: drawn scenes")
    .option("--inputs <file>", "tensors to send, in the protocol's JSON; default: at random")
    .option("--body <file>", "to a plain address with a path: what is sent")
    .option("--content-type <type>", "of the body; default: application/octet-stream")
    .option("--method <name>", "to a plain address; default: POST with a body, else GET")
    .option("--stream", "by Triton's streams, where a server has them")
    .addOption(number("--connections <n>", "of HTTP, at most").default(1024))
    .option("--certs <dir>", "of `tandem cluster certs`: TLS, with its client certificate")
    .option("--ca <file>", "certificates (PEM) to trust, of a server that is not ours")
    .option("--token-file <file>", "a bearer token to show")
    .option("--warm-up", "send unmeasured requests before, until they get no faster", false)
    .action(async (scenario: string | undefined, options) =>
      (await import("./load.ts")).load({
        ...(scenario === undefined ? {} : { scenario }),
        ...options,
      }),
    );
  examples(
    load,
    ["tandem load scenarios/image-analysis.yaml --url 127.0.0.1:8001", "a cluster that is up"],
    ["tandem load --url http://127.0.0.1:9000/score --body x.json --rate 200", "any REST endpoint"],
    ["tandem load --url grpc://triton:8001 --model yolo --clients 8", "any server of the protocol"],
    [
      "tandem load --url 127.0.0.1:8001 --model m --arrivals mlperf-server --rate 50 --set workload.latencyBoundMs=100",
      "MLPerf's Server scenario",
    ],
  );
}
