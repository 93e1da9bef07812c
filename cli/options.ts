/** Options of commands that the library's functions do not have, and all that a command takes together. */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import {
  count,
  flag,
  number,
  option,
  repeated,
  required,
  type Shape,
  share,
  text,
  type Values,
} from "../library/option.ts";
import {
  CALIBRATE,
  CLUSTER_UP,
  IMPORT,
  LOAD,
  MARGIN,
  ON,
  PLAN,
  SHARD_JOBS,
  SWEEP,
  VALIDATE,
} from "../library/options.ts";
import { BACKENDS } from "../scenario/schema/run.ts";

/** All that a command gets: positionals and options by their names in the library. */
export type Arguments<P extends Shape, O extends Shape = Record<never, never>> = Values<P> &
  Values<O>;

export const SCENARIO = { scenario: required("scenario file (YAML)") };
const SET = { set: repeated("override a value of the scenario: path=value") };
export const DIRECTORY = { directory: required("where to write it") };
export const JSON_OPTION = {
  json: flag("print one JSON document on stdout and nothing else"),
};
/** Values of the scenario that have options of their own. */
export const OF_SCENARIO = {
  ...SET,
  seed: number("seed of the first stream of chance"),
  replications: option(count.optional(), "replications of each configuration"),
  until: option(
    share.optional(),
    "add replications until half widths are below so much of the mean, as 2%",
    { hint: "for example `--until 2%` or `--until 0.02`" },
  ),
  untilMetrics: text("of these metrics; default: latencyMeanMs,latencyP99Ms", {
    needs: "until",
    advanced: true,
  }),
  maxReplications: number("bound for --until; default 1000", { needs: "until", advanced: true }),
  compare: text("rank by these swept paths; default: the scheduler's"),
};

/** A file of a folder, as results.json, stands for the folder. */
const folderOf = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isFile() ? dirname(path) : path;

export const results = (about: string) => ({
  directory: option(z.string().transform(folderOf), about),
});

export const SIMULATE = {
  ...OF_SCENARIO,
  ...JSON_OPTION,
  ...SWEEP,
  trace: text("file for a trace of the first configuration's first run, for ui.perfetto.dev"),
  on: text("inventory: run the sweep in shards there (needs --out)"),
  inputs: option(
    z.enum(["drawn", "fixed"]).optional(),
    "fixed: leave out of the intervals how well calibration knows its times",
    { advanced: true },
  ),
  ...SHARD_JOBS,
  shard: text("run one shard of a sweep: i/N, or N in an array job (needs --out)", {
    advanced: true,
  }),
  shardList: text("shards of the array job's tasks, as 0-9,12", { needs: "shard", advanced: true }),
};

export const PLAN_COMMAND = {
  ...SET,
  seed: OF_SCENARIO.seed,
  ...JSON_OPTION,
  ...PLAN,
  replications: option(count.optional(), "replications of each trial, at most", { advanced: true }),
};

export const CALIBRATE_COMMAND = {
  ...SET,
  ...JSON_OPTION,
  check: flag("only tell whether the stored profiles still hold; exit 3: one is stale"),
  ...CALIBRATE,
};

export const VALIDATE_COMMAND = { ...SET, seed: OF_SCENARIO.seed, ...JSON_OPTION, ...VALIDATE };

/** Kinds of arrivals that `tandem load` offers. */
export const ARRIVALS = [
  ...(["poisson", "deterministic", "burst", "closed"] as const),
  ...(["mlperf-single-stream", "mlperf-multi-stream", "mlperf-server", "mlperf-offline"] as const),
];

/** Options that stand for values of the workload. */
export const WORKLOAD = {
  arrivals: option(z.enum(ARRIVALS).optional(), "in place of the scenario's"),
  rate: number("open loop, so many a second"),
  clients: number("closed loop: each waits for its answer, then sends again"),
  duration: number("requests stop after so many s; without a scenario: 10"),
  count: number("requests stop after so many"),
  timeout: number("a client gives up an attempt after so many ms; 0: never; default: 60000"),
  retries: number("a client that gives up tries again so often", { advanced: true }),
};

export const LOAD_COMMAND = {
  ...WORKLOAD,
  ...LOAD,
  rates: text(
    "search from:to[:step] for the highest rate that meets --threshold; without one, all",
  ),
  concurrency: text("the same for clients of a closed loop, as 1:16"),
  threshold: repeated("exit 3 unless it holds: p50 to p99.99, mean or max in ms, as 'p99<500'"),
  out: text("folder for the report (load.json)"),
  ...SET,
  seed: OF_SCENARIO.seed,
  ...JSON_OPTION,
};

export const SCHEDULER = { name: text("of a preset or a policy") };
export const SCHEDULERS = {
  for: text("scenario file: the scheduler that the study found best in such a case, tried on it"),
  place: text(
    "scenario file: print it with its models on groups of devices, as AlpaServe finds them",
  ),
  ...SET,
  ...JSON_OPTION,
};

export const CHECK = { ...SET, ...JSON_OPTION, ...ON };

export const IMPORT_COMMAND = {
  ...IMPORT,
  columns: text("of another CSV file: time=COLUMN,batch=COLUMN,deviation=COLUMN"),
  unit: option(z.enum(["s", "ms", "us", "ns"]).optional(), "of the times of --columns"),
  out: text("profile to write; default: print it"),
  ...JSON_OPTION,
};

export const COMPARE = {
  ...JSON_OPTION,
  ...MARGIN,
  all: flag("show also what did not change"),
  out: text("file for a page of all changes (HTML)"),
};

export const QUERY = { ...JSON_OPTION, csv: flag("print CSV") };

export const EXPLAIN = {
  ...JSON_OPTION,
  trace: text("file for a trace of a real run beside its prediction, for ui.perfetto.dev"),
};

export const REPORT = { ...JSON_OPTION, png: flag("write charts as PNG too") };

export const INIT = {
  ...JSON_OPTION,
  policy: flag("a scheduler of your own in one file, with its test and a scenario"),
};

export const DEMO = {
  images: text("folder of photographs to measure with, or to send"),
  llm: flag("retrieval and a small language model on its real engine, in place of pictures"),
  yes: flag("with --llm: fetch llama.cpp and weights unasked"),
  out: option(z.string().default("out/demo"), "folder for results"),
};

export const CLUSTER_UP_COMMAND = { ...SET, ...JSON_OPTION, ...CLUSTER_UP };

/** Credentials for the gateway of this folder. */
export const ASKING = {
  ...JSON_OPTION,
  tokenFile: text("an admin's token, where there are no certificates to show"),
};

export const CERTS = {
  ...JSON_OPTION,
  host: repeated("names and addresses of the gateway, besides localhost's"),
  days: option(z.number().default(365), "how long they are valid"),
  force: flag("replace certificates that are there; the authority stays"),
  newCa: flag("with --force: replace the authority too"),
};

export const TOKEN = {
  ...JSON_OPTION,
  role: option(z.enum(["infer", "admin"]), "admin may also control the deployment"),
  name: option(z.string().default(""), "whose it is, for people"),
  file: text("tokens file to add its hash to"),
};

const positive = z.number().positive();

const DEPLOY = {
  ...SET,
  ...JSON_OPTION,
  backend: option(z.enum(BACKENDS).default("real"), "what the workers run"),
  image: text("images are called this and -gateway, -worker or -load; default: tandem"),
  tag: text("of the images; default: this version"),
  replicasPerWorker: option(count.default(1), "of one task on one machine, in one container"),
  cpus: option(positive.optional(), "cores of each worker; default: the threads of its model"),
  memory: option(positive.default(2), "GiB of each worker"),
  gatewayMemory: option(positive.default(3), "GiB of the gateway"),
  gpu: repeated("a kind of device that is a GPU; default: those whose models run on cuda"),
  gatewayName: repeated("another name or address of the gateway, for its certificate"),
  tokens: text("of `tandem cluster token`: callers show a token"),
};

export const COMPOSE = {
  ...DEPLOY,
  out: text("folder, or a .yaml file in one; default: the scenario's name and -compose"),
  cores: text("share these out, a container after the other, as 0-7 or 0,2,4; default: any"),
  host: option(
    z.string().default("127.0.0.1"),
    "address of this machine where the gateway listens",
  ),
  port: option(
    z.int().min(1).max(65_534).default(8000),
    "REST port of the gateway; gRPC is the next",
  ),
  user: text("uid:gid of every process; default: yours, or 10001:10001 for root"),
};

export const KUBERNETES = {
  ...DEPLOY,
  out: text("folder for manifests, kustomization and secrets.sh; default: print manifests"),
  on: text("inventory of kind kubernetes: its namespace, and selector and GPUs of each node"),
  namespace: option(
    // A label of RFC 1123, as Kubernetes asks.
    z
      .string()
      .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, "a name of a namespace")
      .optional(),
    "of every object; default: the inventory's, or that of kubectl's context",
    { hint: "small letters, digits and hyphens, 63 at most" },
  ),
  claim: text("PersistentVolumeClaim with the folders scenario and models"),
  gpuResource: option(z.string().default("nvidia.com/gpu"), "extended resource of one GPU"),
  sharedGpus: flag("that resource is a share of a GPU: replicas of one slot may share it"),
  nodeLabel: option(
    z.string().default("tandem/node"),
    "label of nodes: its value is the scenario's kind of node",
  ),
};
