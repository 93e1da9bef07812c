/** Commands of the real system, as data: `calibrate`, `validate`, `cluster …`, `deploy …`, `load` and `web`. */
import { z } from "zod";
import { option, required, text } from "../library/option.ts";
import { SERVE, WEB as WEB_OPTIONS } from "../library/options.ts";
import { type Command, command } from "./command-line.ts";
import {
  ASKING,
  CALIBRATE_COMMAND,
  CERTS,
  CLUSTER_UP_COMMAND,
  COMPOSE,
  JSON_OPTION,
  KUBERNETES,
  LOAD_COMMAND,
  SCENARIO,
  TOKEN,
  VALIDATE_COMMAND,
} from "./options.ts";

export const CALIBRATE = command({
  usage: "calibrate <scenario>",
  about: "measure every task's real model, here or on machines of an inventory; write profiles",
  positionals: SCENARIO,
  options: CALIBRATE_COMMAND,
  examples: [
    ["calibrate s.yaml", "writes the profiles it names"],
    ["calibrate s.yaml --check", "in two minutes: fresh, stale or cannot tell, by model"],
    ["calibrate s.yaml --on inventory.yaml", "each model on each kind of device, where it runs"],
  ],
  run: async (args) => (await import("./calibrate.ts")).calibrateOrCheck(args),
});

export const VALIDATE = command({
  usage: "validate <scenario>",
  about: "simulate and run chosen configurations for real, compare, judge; exit 3: one disagrees",
  positionals: SCENARIO,
  options: VALIDATE_COMMAND,
  examples: [
    ["validate my-pipeline/scenario.yaml --out out/v", "judge the predictions"],
    ["validate s.yaml --budget 5m --strict", "in CI: exit 0 only if everything agrees"],
    ["validate s.yaml --on inventory.yaml", "with workers on other machines"],
  ],
  run: async (args) => (await import("./validate.ts")).validate(args),
});

const NOT_NEEDED = { scenario: text("not needed") };

const up = command({
  usage: "up <scenario>",
  about: "start gateway and workers",
  positionals: SCENARIO,
  options: CLUSTER_UP_COMMAND,
  examples: [
    ["cluster up my-pipeline/scenario.yaml --backend replay", "on this machine only"],
    ["cluster up s.yaml --on inventory.yaml", "workers on the machines of an inventory"],
    ["cluster up s.yaml --record day.csv", "to try today's traffic under another scheduler"],
    ["cluster up s.yaml --host 0.0.0.0 --certs certs --tokens tokens.txt", "for others too"],
  ],
  run: async (args) => (await import("./cluster.ts")).clusterUpCommand(args),
});

const status = command({
  usage: "status [scenario]",
  about: "show what is up in this folder",
  positionals: NOT_NEEDED,
  options: {
    ...ASKING,
    watch: option(
      z.boolean().optional(),
      "refresh it each second (--no-watch: once); default: on a terminal",
    ),
  },
  examples: [
    ["cluster status", "a live table of replicas and pipelines; Ctrl-C ends it"],
    ["cluster status --no-watch", "the same, once"],
  ],
  run: async (args) => (await import("./cluster.ts")).clusterStatusCommand(args),
});

const add = command({
  usage: "add <task>",
  about: "add a replica to what is up in this folder",
  positionals: { task: required("that it runs") },
  options: { ...ASKING, node: text("node of the scenario; default: one with room") },
  examples: [["cluster add detect", "one more of what `up --spare` has left room for"]],
  run: async (args) => (await import("./cluster.ts")).clusterAddCommand(args),
});

const remove = command({
  usage: "remove <replica>",
  about: "remove a replica from what is up in this folder",
  positionals: { replica: required("its name, as status shows it") },
  options: ASKING,
  examples: [["cluster remove detect-3", "no request is lost"]],
  run: async (args) => (await import("./cluster.ts")).clusterRemoveCommand(args),
});

const down = command({
  usage: "down [scenario]",
  about: "stop what is up in this folder",
  positionals: NOT_NEEDED,
  options: JSON_OPTION,
  examples: [["cluster down", "ends every process"]],
  run: async (args) => (await import("./cluster.ts")).clusterDownCommand(args),
});

const certs = command({
  usage: "certs <directory>",
  about: "write a private authority and certificates for gateway, workers and clients",
  positionals: { directory: required("where to write them") },
  options: CERTS,
  examples: [
    ["cluster certs certs --host gpu1.example.org,10.0.0.5", "for two names"],
    ["cluster certs certs --force", "new keys, same authority: rotation"],
  ],
  run: async (args) => (await import("./cluster.ts")).certs(args),
});

const token = command({
  usage: "token",
  about: "make a bearer token; only its hash is kept",
  options: TOKEN,
  examples: [["cluster token --role infer --name batch --file tokens.txt", "prints it, once"]],
  run: async (args) => (await import("./cluster.ts")).token(args),
});

const serve = command({
  usage: "serve",
  about: "one gateway or worker in the foreground, as containers start it; SIGTERM ends it",
  options: SERVE,
  examples: [
    ["cluster serve --role worker --config tandem.json --name detect-1", "one worker"],
    ["cluster serve --role gateway --config tandem.json --host 0.0.0.0 --certs certs", "for all"],
  ],
  run: async (args) => (await import("./cluster.ts")).serve(args),
});

export const CLUSTER: Command = {
  usage: "cluster",
  about: "start, show or stop the real deployment; make what lets people into it",
  examples: [
    ["cluster up s.yaml", "starts gateway and workers"],
    ["cluster status", "what is up in this folder"],
  ],
  commands: [up, status, add, remove, down, certs, token, serve],
};

const compose = command({
  usage: "compose <scenario>",
  about: "write a folder that `docker compose up` starts: gateway and workers on one machine",
  positionals: SCENARIO,
  options: COMPOSE,
  examples: [
    ["deploy compose s.yaml --out lab", "then: cd lab; docker compose up"],
    ["deploy compose s.yaml --backend replay --cores 0-7", "replayed times, on cores of their own"],
  ],
  run: async (args) => (await import("./deploy.ts")).deployCompose(args),
});

const kubernetes = command({
  usage: "kubernetes <scenario>",
  about: "write manifests: a gateway, and a StatefulSet for each task and kind of node",
  positionals: SCENARIO,
  options: KUBERNETES,
  examples: [
    ["deploy kubernetes s.yaml --out k8s", "then: sh k8s/secrets.sh; kubectl apply -k k8s"],
    ["deploy kubernetes s.yaml --backend replay | less", "look first"],
  ],
  run: async (args) => (await import("./deploy.ts")).deployKubernetes(args),
});

export const DEPLOY: Command = {
  usage: "deploy",
  about: "write what runs a scenario's cluster in containers, without Tandem beside it",
  examples: [
    ["deploy compose s.yaml --out lab", "for one machine with Docker"],
    ["deploy kubernetes s.yaml --out k8s", "for a Kubernetes namespace"],
  ],
  commands: [compose, kubernetes],
};

export const LOAD = command({
  usage: "load [scenario]",
  about: "drive any endpoint with a workload",
  positionals: { scenario: text("scenario file (YAML): its workload and pipelines") },
  options: LOAD_COMMAND,
  examples: [
    ["load my-pipeline/scenario.yaml --url 127.0.0.1:8001", "a cluster that is up"],
    ["load --url http://127.0.0.1:9000/score --body x.json --rate 200", "any REST endpoint"],
    ["load --url grpc://triton:8001 --model yolo --clients 8", "any server of the protocol"],
    [
      "load --url grpc://triton:8001 --model yolo --rates 10:200:10 --threshold 'p99<500'",
      "the highest rate within an SLO",
    ],
    [
      "load --url 127.0.0.1:8001 --model m --arrivals mlperf-server --rate 50 --set workload.latencyBoundMs=100",
      "MLPerf's Server scenario",
    ],
  ],
  run: async (args) => (await import("./load.ts")).load(args),
});

export const WEB = command({
  usage: "web",
  about: "serve the web app on this machine, before a server of the protocol to measure",
  options: { ...WEB_OPTIONS, ...JSON_OPTION },
  examples: [
    ["web --url 127.0.0.1:8000", "a gateway, which serves the app at / as well"],
    ["web --url http://triton:8000 --port 9000", "any server of the Open Inference Protocol"],
  ],
  run: async (args) => (await import("./cluster.ts")).web(args),
});
