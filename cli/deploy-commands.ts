/** `tandem deploy …`; each action's work is loaded only when it is called. */
import { BACKENDS } from "./cluster-commands.ts";
import {
  type Command,
  flag,
  JSON_OPTION,
  number,
  repeated,
  SCENARIO,
  SET,
  text,
} from "./command-line.ts";

const COMMON = {
  ...SET,
  ...JSON_OPTION,
  backend: text("what the workers run", { choices: BACKENDS, default: "real" }),
  image: text("images are called this and -gateway, -worker or -load", { default: "tandem" }),
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
