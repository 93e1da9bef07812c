/** The options that a command and its function of the library have in common, each declared once. */
import { z } from "zod";
import { FOREIGN_FORMATS } from "../calibration/foreign/times.ts";
import { LIMITS } from "../cluster/security/limits.ts";
import { DEFAULT_MARGIN } from "../results/compare.ts";
import { BACKENDS } from "../scenario/schema/run.ts";
import { SAMPLE_METHODS } from "../scenario/sweep/axes.ts";
import {
  count,
  flag,
  folder,
  list,
  number,
  option,
  repeated,
  required,
  seconds,
  share,
  text,
} from "./option.ts";

const LAST_PORT = 65_535;
const MOST_SPARE = 1000;
/** Each thread has a heap of its own: thousands of them exhaust a machine's memory. */
const MOST_THREADS = 256;
/** Batches of more are a slip of the hand: they would not fit into a device's memory. */
const MOST_BATCH = 1_000_000;

const sample = z.object({ method: z.enum(SAMPLE_METHODS), count });
const pair = z
  .tuple([z.enum(SAMPLE_METHODS), z.coerce.number().pipe(count)])
  .transform(([method, n]) => ({ method, count: n }));

export const ON = {
  on: text("inventory file: where the scenario's nodes are; default: on this machine"),
};

const INPUTS = {
  inputs: text("tensors to send, in the protocol's JSON; default: at random"),
};

export const MARGIN = {
  margin: option(share.default(DEFAULT_MARGIN), "differences up to this share are none", {
    hint: "for example `--margin 2%` or `--margin 0.02`",
  }),
};

export const SWEEP = {
  directory: option(
    folder.optional(),
    "folder for results.json, Parquet files and the store, from which an aborted call goes on",
    { as: "out" },
  ),
  threads: option(count.max(MOST_THREADS).optional(), "threads; default: as many as pay", {
    as: "workers",
    hint: "a thread for each processor is best",
  }),
  sample: option(
    z.union([sample, pair]).optional(),
    "latin-hypercube N or random N: draw N configurations of the sweep",
    { hint: `the methods are ${SAMPLE_METHODS.join(" and ")}` },
  ),
  requests: flag("keep a row for each request too (needs --out)"),
  allowLarge: flag("run a sweep of more than 10,000 configurations", { as: "yes" }),
  margin: option(MARGIN.margin, "differences up to this share of the best mean are ties", {
    advanced: true,
    hint: "for example `--margin 2%` or `--margin 0.02`",
  }),
};

export const SHARD_JOBS = {
  shards: number("of --on; default: as many as take --shard-seconds each", {
    needs: "on",
    advanced: true,
  }),
  shardSeconds: option(z.number().positive().default(30), "least time of a shard, by an estimate", {
    advanced: true,
  }),
  detach: flag("with --on: submit, and do not wait", { needs: "on", advanced: true }),
};

export const PLAN = {
  directory: option(
    folder.optional(),
    "folder for the plan, a scenario that runs it, and its results",
    { as: "out" },
  ),
  schedulers: option(
    list.optional(),
    "presets to try beside the scenario's, as a,b,c, all or none; default: the textbook's",
  ),
  maxReplicas: option(count.default(64), "of each task, at most"),
  budgetS: option(
    seconds.optional(),
    "how long to search, as 60s or 5m; then the best so far is the answer; default: 2m",
    { as: "budget", hint: "for example `--budget 60s` or `--budget 5m`" },
  ),
  window: option(
    z.enum(["peak", "whole"]).default("peak"),
    "the part of a load that changes to plan for",
    { advanced: true },
  ),
  promise: option(
    z.enum(["long-run", "runs"]).default("long-run"),
    "whether the SLO is kept in the long run, or in runs as short as the scenario's",
    { advanced: true },
  ),
};

const CONTENTS = {
  images: text("folder of photographs to measure with; default: drawn scenes", { advanced: true }),
  inputs: option(INPUTS.inputs, "tensors to send, in the protocol's JSON; default: at random", {
    advanced: true,
  }),
};

export const CALIBRATE = {
  ...ON,
  precision: option(
    z.number().gt(0).lt(1).default(0.03),
    "go on until each figure's 95% half width is below this share of its mean",
    { advanced: true },
  ),
  maxSeconds: option(
    z.number().positive().optional(),
    "bound on the rounds of measurement, in all; 120 by default, 90 to check",
    { advanced: true },
  ),
  ...CONTENTS,
};

export const VALIDATE = {
  directory: option(folder.optional(), "folder for results (validation.json)", { as: "out" }),
  backend: option(z.enum(BACKENDS).optional(), "run the real models, or replay measured times"),
  budgetS: option(
    seconds.optional(),
    "bound on all of it, as 90s, 5m or 1h: fewer runs, then shorter ones",
    { as: "budget", hint: "for example `--budget 90s`, `--budget 5m` or `--budget 1h`" },
  ),
  ...ON,
  strict: flag("exit 3 also where it cannot tell, and before any run if the host is not fit"),
  repeats: option(z.int().min(3).optional(), "real runs of each configuration, >= 3", {
    advanced: true,
  }),
  ...CONTENTS,
};

export const LOAD = {
  url: required("host:port, grpc(s)://host:port, http(s)://host:port[/path]"),
  model: text("send to this model, not to the scenario's pipelines"),
  images: text("photographs to send; default, for our own gateway: drawn scenes"),
  ...INPUTS,
  body: text("to a plain address with a path: what is sent"),
  certs: text("of `tandem cluster certs`: TLS, with its client certificate"),
  ca: text("certificates (PEM) to trust, of a server that is not ours"),
  tokenFile: text("a bearer token to show"),
  contentType: text("of the body; default: application/octet-stream", { advanced: true }),
  method: text("to a plain address; default: POST with a body, else GET", { advanced: true }),
  streamed: option(
    z.boolean().optional(),
    "by Triton's streams, where a server has them; default: only to our own gateway",
    { as: "stream", advanced: true },
  ),
  connections: option(z.number().default(1024), "of HTTP, at most", { advanced: true }),
  warmUp: flag("send unmeasured requests before, until they get no faster", { advanced: true }),
};

const CONNECTIONS = {
  connectionsPerAddress: option(
    count.max(LIMITS.connections).optional(),
    "open connections of one address, over REST and over gRPC: more behind a proxy; default: 100",
    { advanced: true },
  ),
};

const TOKENS = { tokens: text("of `tandem cluster token`: callers show a token") };

export const CLUSTER_UP = {
  ...ON,
  backend: option(z.enum(BACKENDS).default("real"), "what the workers run"),
  port: number("REST port of the gateway; gRPC is the next; default: 8000 where both are free"),
  trace: text("send traces to an OTLP/HTTP endpoint, or write them to a file"),
  record: text("write all requests to a CSV file, which `arrivals: trace` plays again"),
  host: text("where the gateway listens; other than loopback it needs --certs"),
  certs: text("of `tandem cluster certs`: TLS, and mutual TLS with the workers"),
  ...TOKENS,
  spare: option(
    z.int().min(0).max(MOST_SPARE).default(4),
    "replicas that can be added to each task",
    { advanced: true },
  ),
  ...CONNECTIONS,
  origins: repeated("web pages of these origins may call it, as https://app.example.org", {
    as: "allow-origin",
    advanced: true,
  }),
};

export const SERVE = {
  role: option(z.enum(["gateway", "worker"]), "what to be"),
  config: required("file that `tandem deploy` wrote"),
  name: text("which worker of it to be; default: the host's name"),
  host: option(
    z.string().default("127.0.0.1"),
    "where to listen; other than loopback it needs --certs",
  ),
  port: number("REST port of a gateway (gRPC is the next), 8000; of a worker, 9000"),
  certs: text("folder with ca.crt and the role's certificate and key"),
  ...TOKENS,
  healthPort: number("answer gRPC health checks here, without TLS; default: nowhere"),
  readyFile: text("touch this file each second while it serves"),
  ...CONNECTIONS,
};

export const WEB = {
  url: text("its REST address; default: the page calls servers that let it"),
  port: option(
    z.int().min(0).max(LAST_PORT).default(8080),
    "of the app on loopback; 0: a free one",
  ),
  certs: text("of `tandem cluster certs`: trust its authority"),
  ca: text("certificates (PEM) to trust, of a server that is not ours"),
};

export const IMPORT = {
  model: text("name of the model, where the file does not tell it"),
  device: text("kind of device that it ran on, where the file does not tell it"),
  format: option(z.enum(FOREIGN_FORMATS).optional(), "of the file; default: detected"),
  batch: option(
    count.max(MOST_BATCH).optional(),
    "batch size, where the file does not tell it; default 1",
  ),
  layers: option(count.optional(), "of a language model, for a folder of times by layer"),
  gpus: option(count.optional(), "that a language model is split over; default 1"),
};
