/** `tandem cluster …`; each action's work is loaded only when it is called. */
import type { Command } from "commander";
import { choice, examples, number, repeated } from "./command-line.ts";

/** As in the scenario's `validation.backend`. */
export const BACKENDS = ["real", "onnx", "external", "process", "replay"];

type Decorate = (command: Command) => Command;

/** Adds the actions to `cluster`. `json` adds the option that every command has. */
export function addClusterCommands(cluster: Command, json: Decorate): void {
  addDeploymentCommands(cluster, json);
  addAccessCommands(cluster, json);
  examples(
    cluster,
    ["tandem cluster up scenarios/image-analysis.yaml", "starts gateway and workers"],
    ["tandem cluster status", "what is up in this folder"],
  );
}

function addDeploymentCommands(cluster: Command, json: Decorate): void {
  const up = json(cluster.command("up").description("start gateway and workers"))
    .argument("<scenario>", "scenario file (YAML)")
    .addOption(repeated("--set <path=value>", "override a value of the scenario"))
    .addOption(choice("--backend <name>", "what the workers run", BACKENDS).default("real"))
    .addOption(number("--port <n>", "REST port of the gateway; gRPC is the next"))
    .addOption(number("--spare <n>", "replicas that can be added to each task").default(4))
    .option("--trace <where>", "send traces to an OTLP/HTTP endpoint, or write them to a file")
    .option("--host <address>", "where the gateway listens; other than loopback it needs --certs")
    .option("--certs <dir>", "of `tandem cluster certs`: TLS, and mutual TLS with the workers")
    .option("--tokens <file>", "of `tandem cluster token`: callers show a token")
    .action(async (scenario: string, options) =>
      (await import("./cluster.ts")).clusterUpCommand({ scenario, ...options }),
    );
  examples(
    up,
    ["tandem cluster up scenarios/image-analysis.yaml", "on this machine only"],
    ["tandem cluster up s.yaml --host 0.0.0.0 --certs certs --tokens tokens.txt", "for others too"],
  );

  const status = json(cluster.command("status").description("show what is up in this folder"))
    .argument("[scenario]", "not needed")
    .option("--watch", "refresh it each second; default: on a terminal")
    .option("--no-watch", "print it once")
    .option("--token-file <file>", "an admin's token, where there are no certificates to show")
    .action(async (_scenario, options) =>
      (await import("./cluster.ts")).clusterStatusCommand(options),
    );
  examples(
    status,
    ["tandem cluster status", "a live table of replicas and pipelines; Ctrl-C ends it"],
    ["tandem cluster status --no-watch", "the same, once"],
  );

  const down = json(cluster.command("down").description("stop what is up in this folder"))
    .argument("[scenario]", "not needed")
    .action(async (_scenario, options) =>
      (await import("./cluster.ts")).clusterDownCommand(options),
    );
  examples(down, ["tandem cluster down", "ends every process"]);
}

function addAccessCommands(cluster: Command, json: Decorate): void {
  const certs = json(
    cluster
      .command("certs")
      .description("write a private authority and certificates for gateway, workers and clients"),
  )
    .argument("<directory>", "where to write them")
    .addOption(
      repeated("--host <names>", "names and addresses of the gateway, besides localhost's"),
    )
    .addOption(number("--days <n>", "how long they are valid").default(365))
    .option("--force", "replace certificates that are there; the authority stays", false)
    .option("--new-ca", "with --force: replace the authority too", false)
    .action(async (directory: string, options) =>
      (await import("./cluster-access.ts")).certs({ directory, ...options }),
    );
  examples(
    certs,
    ["tandem cluster certs certs --host gpu1.example.org,10.0.0.5", "for two names"],
    ["tandem cluster certs certs --force", "new keys, same authority: rotation"],
  );

  const token = json(
    cluster.command("token").description("make a bearer token; only its hash is kept"),
  )
    .addOption(
      choice("--role <role>", "admin may also control the deployment", [
        "infer",
        "admin",
      ]).makeOptionMandatory(),
    )
    .option("--name <name>", "whose it is, for people", "")
    .option("--file <path>", "tokens file to add its hash to")
    .action(async (options) => (await import("./cluster-access.ts")).token(options));
  examples(token, [
    "tandem cluster token --role infer --name batch --file tokens.txt",
    "prints it, once",
  ]);
}
