/** Commands of the real system, as data: `calibrate`, `validate`, `cluster …`, `deploy …`, `load` and `web`. */
import {
  advanced,
  type Command,
  flag,
  IMAGES,
  INPUTS,
  JSON_OPTION,
  LOAD_OPTIONS,
  number,
  ON,
  repeated,
  required,
  SCENARIO,
  SEED,
  SET,
  text,
} from "./command-line.ts";

/** As in the scenario's `validation.backend`. */
const BACKENDS = ["real", "onnx", "external", "process", "replay"];

export const CALIBRATE: Command = {
  usage: "calibrate <scenario>",
  about: "measure every task's real model, here or on machines of an inventory; write profiles",
  positionals: SCENARIO,
  options: {
    ...SET,
    ...JSON_OPTION,
    check: flag("only tell whether the stored profiles still hold; exit 3: one is stale"),
    ...ON,
    ...advanced({
      precision: number(
        "go on until each figure's 95% half width is below this share of its mean",
        { default: 0.03 },
      ),
      "max-seconds": number("bound on the rounds of measurement, in all; 120 by default"),
      ...IMAGES,
      ...INPUTS,
    }),
  },
  examples: [
    ["calibrate s.yaml", "writes the profiles it names"],
    ["calibrate s.yaml --check", "in two minutes: fresh, stale or cannot tell, by model"],
    ["calibrate s.yaml --on inventory.yaml", "each model on each kind of device, where it runs"],
  ],
  run: async (args) => (await import("./calibrate.ts")).calibrateOrCheck(args),
};

export const VALIDATE: Command = {
  usage: "validate <scenario>",
  about: "simulate and run chosen configurations for real, compare, judge; exit 3: one disagrees",
  positionals: SCENARIO,
  options: {
    ...SET,
    ...JSON_OPTION,
    ...SEED,
    out: text("folder for results (validation.json)"),
    backend: text("run the real models, or replay measured times", { choices: BACKENDS }),
    budget: text("bound on all of it, as 90s, 5m or 1h: fewer runs, then shorter ones"),
    ...ON,
    strict: flag("exit 3 also where it cannot tell, and before any run if the host is not fit"),
    ...advanced({
      repeats: number("real runs of each configuration, >= 3"),
      ...IMAGES,
      ...INPUTS,
    }),
  },
  examples: [
    ["validate my-pipeline/scenario.yaml --out out/v", "judge the predictions"],
    ["validate s.yaml --budget 5m --strict", "in CI: exit 0 only if everything agrees"],
    ["validate s.yaml --on inventory.yaml", "with workers on other machines"],
  ],
  run: async (args) => (await import("./validate.ts")).validate(args),
};

const NOT_NEEDED = { scenario: { type: "string", describe: "not needed" } } as const;

const TOKEN_FILE = {
  "token-file": text("an admin's token, where there are no certificates to show"),
} as const;

const CONNECTIONS_PER_ADDRESS = number(
  "open connections of one address, over REST and over gRPC: more behind a proxy; default: 100",
);

const up: Command = {
  usage: "up <scenario>",
  about: "start gateway and workers",
  positionals: SCENARIO,
  options: {
    ...SET,
    ...JSON_OPTION,
    ...ON,
    backend: text("what the workers run", { choices: BACKENDS, default: "real" }),
    port: number("REST port of the gateway; gRPC is the next; default: 8000 where both are free"),
    trace: text("send traces to an OTLP/HTTP endpoint, or write them to a file"),
    record: text("write all requests to a CSV file, which `arrivals: trace` plays again"),
    host: text("where the gateway listens; other than loopback it needs --certs"),
    certs: text("of `tandem cluster certs`: TLS, and mutual TLS with the workers"),
    tokens: text("of `tandem cluster token`: callers show a token"),
    ...advanced({
      spare: number("replicas that can be added to each task", { default: 4 }),
      "connections-per-address": CONNECTIONS_PER_ADDRESS,
      "allow-origin": repeated(
        "web pages of these origins may call it, as https://app.example.org",
      ),
    }),
  },
  examples: [
    ["cluster up my-pipeline/scenario.yaml --backend replay", "on this machine only"],
    ["cluster up s.yaml --on inventory.yaml", "workers on the machines of an inventory"],
    ["cluster up s.yaml --record day.csv", "to try today's traffic under another scheduler"],
    ["cluster up s.yaml --host 0.0.0.0 --certs certs --tokens tokens.txt", "for others too"],
  ],
  run: async (args) => (await import("./cluster.ts")).clusterUpCommand(args),
};

const status: Command = {
  usage: "status [scenario]",
  about: "show what is up in this folder",
  positionals: NOT_NEEDED,
  options: {
    ...JSON_OPTION,
    watch: {
      type: "boolean",
      describe: "refresh it each second (--no-watch: once); default: on a terminal",
    },
    ...TOKEN_FILE,
  },
  examples: [
    ["cluster status", "a live table of replicas and pipelines; Ctrl-C ends it"],
    ["cluster status --no-watch", "the same, once"],
  ],
  run: async (args) => (await import("./cluster.ts")).clusterStatusCommand(args),
};

const add: Command = {
  usage: "add <task>",
  about: "add a replica to what is up in this folder",
  positionals: { task: required("that it runs") },
  options: {
    ...JSON_OPTION,
    ...TOKEN_FILE,
    node: text("node of the scenario; default: one with room"),
  },
  examples: [["cluster add detect", "one more of what `up --spare` has left room for"]],
  run: async (args) => (await import("./cluster.ts")).clusterAddCommand(args),
};

const remove: Command = {
  usage: "remove <replica>",
  about: "remove a replica from what is up in this folder",
  positionals: { replica: required("its name, as status shows it") },
  options: { ...JSON_OPTION, ...TOKEN_FILE },
  examples: [["cluster remove detect-3", "no request is lost"]],
  run: async (args) => (await import("./cluster.ts")).clusterRemoveCommand(args),
};

const down: Command = {
  usage: "down [scenario]",
  about: "stop what is up in this folder",
  positionals: NOT_NEEDED,
  options: JSON_OPTION,
  examples: [["cluster down", "ends every process"]],
  run: async (args) => (await import("./cluster.ts")).clusterDownCommand(args),
};

const certs: Command = {
  usage: "certs <directory>",
  about: "write a private authority and certificates for gateway, workers and clients",
  positionals: { directory: required("where to write them") },
  options: {
    ...JSON_OPTION,
    host: repeated("names and addresses of the gateway, besides localhost's"),
    days: number("how long they are valid", { default: 365 }),
    force: flag("replace certificates that are there; the authority stays"),
    "new-ca": flag("with --force: replace the authority too"),
  },
  examples: [
    ["cluster certs certs --host gpu1.example.org,10.0.0.5", "for two names"],
    ["cluster certs certs --force", "new keys, same authority: rotation"],
  ],
  run: async (args) => (await import("./cluster.ts")).certs(args),
};

const token: Command = {
  usage: "token",
  about: "make a bearer token; only its hash is kept",
  options: {
    ...JSON_OPTION,
    role: text("admin may also control the deployment", {
      choices: ["infer", "admin"],
      demandOption: true,
    }),
    name: text("whose it is, for people", { default: "" }),
    file: text("tokens file to add its hash to"),
  },
  examples: [["cluster token --role infer --name batch --file tokens.txt", "prints it, once"]],
  run: async (args) => (await import("./cluster.ts")).token(args),
};

const serve: Command = {
  usage: "serve",
  about: "one gateway or worker in the foreground, as containers start it; SIGTERM ends it",
  options: {
    role: text("what to be", { choices: ["gateway", "worker"], demandOption: true }),
    config: text("file that `tandem deploy` wrote", { demandOption: true }),
    name: text("which worker of it to be; default: the host's name"),
    host: text("where to listen; other than loopback it needs --certs", { default: "127.0.0.1" }),
    port: number("REST port of a gateway (gRPC is the next), 8000; of a worker, 9000"),
    certs: text("folder with ca.crt and the role's certificate and key"),
    tokens: text("of `tandem cluster token`: callers of the gateway show a token"),
    "health-port": number("answer gRPC health checks here, without TLS; default: nowhere"),
    "ready-file": text("touch this file each second while it serves"),
    "connections-per-address": CONNECTIONS_PER_ADDRESS,
  },
  examples: [
    ["cluster serve --role worker --config tandem.json --name detect-1", "one worker"],
    ["cluster serve --role gateway --config tandem.json --host 0.0.0.0 --certs certs", "for all"],
  ],
  run: async (args) => (await import("./cluster.ts")).serve(args),
};

export const CLUSTER: Command = {
  usage: "cluster",
  about: "start, show or stop the real deployment; make what lets people into it",
  examples: [
    ["cluster up s.yaml", "starts gateway and workers"],
    ["cluster status", "what is up in this folder"],
  ],
  commands: [up, status, add, remove, down, certs, token, serve],
};

const COMMON = {
  ...SET,
  ...JSON_OPTION,
  backend: text("what the workers run", { choices: BACKENDS, default: "real" }),
  image: text("images are called this and -gateway, -worker or -load; default: tandem"),
  tag: text("of the images; default: this version"),
  "replicas-per-worker": number("of one task on one machine, in one container", { default: 1 }),
  cpus: number("cores of each worker; default: the threads of its model"),
  memory: number("GiB of each worker", { default: 2 }),
  "gateway-memory": number("GiB of the gateway", { default: 3 }),
  gpu: repeated("a kind of device that is a GPU; default: those whose models run on cuda"),
  "gateway-name": repeated("another name or address of the gateway, for its certificate"),
  tokens: text("of `tandem cluster token`: callers show a token"),
};

const compose: Command = {
  usage: "compose <scenario>",
  about: "write a folder that `docker compose up` starts: gateway and workers on one machine",
  positionals: SCENARIO,
  options: {
    ...COMMON,
    out: text("folder, or a .yaml file in one; default: the scenario's name and -compose"),
    cores: text("share these out, a container after the other, as 0-7 or 0,2,4; default: any"),
    host: text("address of this machine where the gateway listens", { default: "127.0.0.1" }),
    port: number("REST port of the gateway; gRPC is the next", { default: 8000 }),
    user: text("uid:gid of every process; default: yours, or 10001:10001 for root"),
  },
  examples: [
    ["deploy compose s.yaml --out lab", "then: cd lab; docker compose up"],
    ["deploy compose s.yaml --backend replay --cores 0-7", "replayed times, on cores of their own"],
  ],
  run: async (args) => (await import("./deploy.ts")).deployCompose(args),
};

const kubernetes: Command = {
  usage: "kubernetes <scenario>",
  about: "write manifests: a gateway, and a StatefulSet for each task and kind of node",
  positionals: SCENARIO,
  options: {
    ...COMMON,
    out: text("folder for manifests, kustomization and secrets.sh; default: print manifests"),
    on: text("inventory of kind kubernetes: its namespace, and selector and GPUs of each node"),
    namespace: text("of every object; default: the inventory's, or that of kubectl's context"),
    claim: text("PersistentVolumeClaim with the folders scenario and models"),
    "gpu-resource": text("extended resource of one GPU", { default: "nvidia.com/gpu" }),
    "shared-gpus": flag("that resource is a share of a GPU: replicas of one slot may share it"),
    "node-label": text("label of nodes: its value is the scenario's kind of node", {
      default: "tandem/node",
    }),
  },
  examples: [
    ["deploy kubernetes s.yaml --out k8s", "then: sh k8s/secrets.sh; kubectl apply -k k8s"],
    ["deploy kubernetes s.yaml --backend replay | less", "look first"],
  ],
  run: async (args) => (await import("./deploy.ts")).deployKubernetes(args),
};

export const DEPLOY: Command = {
  usage: "deploy",
  about: "write what runs a scenario's cluster in containers, without Tandem beside it",
  examples: [
    ["deploy compose s.yaml --out lab", "for one machine with Docker"],
    ["deploy kubernetes s.yaml --out k8s", "for a Kubernetes namespace"],
  ],
  commands: [compose, kubernetes],
};

export const LOAD: Command = {
  usage: "load [scenario]",
  about: "drive any endpoint with a workload",
  positionals: {
    scenario: { type: "string", describe: "scenario file (YAML): its workload and pipelines" },
  },
  options: LOAD_OPTIONS,
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
};

export const WEB: Command = {
  usage: "web",
  about: "serve the web app on this machine, before a server of the protocol to measure",
  options: {
    url: text("its REST address; default: the page calls servers that let it"),
    port: number("of the app on loopback; 0: a free one", { default: 8080 }),
    certs: text("of `tandem cluster certs`: trust its authority"),
    ca: text("certificates (PEM) to trust, of a server that is not ours"),
    ...JSON_OPTION,
  },
  examples: [
    ["web --url 127.0.0.1:8000", "a gateway, which serves the app at / as well"],
    ["web --url http://triton:8000 --port 9000", "any server of the Open Inference Protocol"],
  ],
  run: async (args) => (await import("./cluster.ts")).web(args),
};
