/**
 * An inventory says where the nodes of a scenario are: `kind` decides how their processes are started.
 * The scenario says how many replicas of what there are, on which kinds of nodes.
 */
import { z } from "zod";
import { between, name, wholeBetween, wholeUpTo } from "../schema/common.ts";

/** A word of a command line that no program takes for an option. */
const word = z.string().regex(/^[^-\s'"][^\s'"]*$/, "a word without quotes, not starting with '-'");
const cores = z
  .union([
    wholeBetween(0, 65_535),
    z.string().regex(/^\d+(-\d+)?(,\d+(-\d+)?)*$/, "core numbers such as 0-3 or 0,2"),
  ])
  .transform(String);
const gpu = z
  .union([wholeBetween(0, 1023), word])
  .transform(String)
  .describe("number or UUID of the GPU, as CUDA_VISIBLE_DEVICES takes it");
const seconds = between(0.1, 86_400);

const slot = z.strictObject({
  gpu: gpu.optional(),
  cores: cores.optional().describe("core numbers of the slot, e.g. 0-3"),
});

const gateway = name
  .optional()
  .describe("machine of the gateway; ports of this machine lead to it; default: this one");

/** Keys of every machine, whatever reaches it. */
const machine = {
  cores: cores.optional().describe("cores of every worker, e.g. 0-15; default: all"),
  devices: z
    .record(name, z.array(slot).min(1).max(1024))
    .optional()
    .describe("by kind of device, an entry for each of its slots on the machine"),
};

const nodes = z
  .record(
    name,
    z.union([name, z.array(name).min(1)]).transform((one) => [one].flat()),
  )
  .optional()
  .describe(
    "for each node of the scenario, a machine for each of its count; default: replicas take the machines in turn, if the scenario has no nodes",
  );

const leaseS = seconds
  .min(5)
  .default(30)
  .describe("a worker ends when it has not heard of its gateway for so long");

const throttle = wholeUpTo(1e6).optional();

const local = z.strictObject({
  kind: z.literal("local").describe("processes of this machine"),
  throttle: throttle.describe("threads of a sweep in shards; default: one for each processor"),
});

const ssh = z.strictObject({
  kind: z.literal("ssh").describe("machines that the OpenSSH client of this one can reach"),
  machines: z
    .record(
      name,
      z.strictObject({
        host: word.optional().describe("as `ssh` takes it; default: the machine's name here"),
        user: word.optional().describe("default: as the OpenSSH client is configured"),
        port: wholeBetween(1, 65_535).optional(),
        jump: word.optional().describe("hosts to go through, as of `ssh -J`"),
        node: word.optional().describe("path of Node.js there; default: found"),
        address: word
          .optional()
          .describe("with `reach: direct`, where workers listen; default: the host"),
        ...machine,
      }),
    )
    .refine((machines) => Object.keys(machines).length > 0, "a mapping with at least one machine"),
  nodes,
  config: z.string().min(1).optional().describe("file for `ssh -F`; default: the user's own"),
  gateway,
  reach: z
    .enum(["tunnel", "direct"])
    .default("tunnel")
    .describe("how the gateway reaches workers: through SSH, or on open ports with mutual TLS"),
  ports: z
    .tuple([wholeBetween(1, 65_535), wholeBetween(1, 65_535)])
    .optional()
    .describe("with `reach: direct`, first and last port of workers; default: any"),
  connectTimeoutS: seconds.default(10),
  aliveIntervalS: seconds
    .default(5)
    .describe("between signs of life on a connection; three without an answer end it"),
  cache: word
    .default(".cache/tandem")
    .describe("folder of the program there, from the home folder on"),
  leaseS,
});

const slurmNode = z.strictObject({
  partition: word.optional().describe("default: of the allocation"),
  constraint: word.optional().describe("features that its machines must have"),
  gres: word.optional().describe("generic resources of one machine, e.g. gpu:a100:4"),
  cpus: wholeUpTo(65_536)
    .optional()
    .describe("of one machine; default: 1 per replica, and 1 for the gateway"),
});

const slurm = z.strictObject({
  kind: z.literal("slurm").describe("steps of one allocation of a Slurm cluster"),
  partition: word.optional(),
  account: word.optional(),
  qos: word.optional(),
  timeLimit: word.optional().describe("as `sbatch --time` takes it, e.g. 02:00:00"),
  options: z.array(z.string().min(1)).optional().describe("further options of sbatch"),
  nodes: z.record(name, slurmNode).optional().describe("by the scenario's names of nodes"),
  gateway: name
    .optional()
    .describe(
      "the gateway is a step too, on the first machine of this node of the scenario, or `first` of the allocation; default: it runs here",
    ),
  setup: z
    .array(z.string().min(1))
    .optional()
    .describe("lines of a POSIX shell that come first, e.g. module load nodejs"),
  throttle: throttle.describe("tasks of a sweep's job array at once"),
  leaseS,
});

const kubernetes = z.strictObject({
  kind: z.literal("kubernetes").describe("pods of a Kubernetes namespace"),
  context: word.optional().describe("of the kubectl configuration; default: the current one"),
  namespace: name.default("default"),
  image: word
    .default("tandem")
    .describe(
      "image of a sweep's pods; gateway and workers have its name with -gateway and -worker",
    ),
  pullSecrets: z.array(name).min(1).optional().describe("Secrets that registries ask for"),
  claim: name.optional().describe("persistent volume claim that the pods of a sweep share"),
  nodes: z
    .record(
      name,
      z.strictObject({
        selector: z.record(z.string(), z.string()).optional().describe("labels of its machines"),
        gpus: word.optional().describe("resource of one GPU; default: nvidia.com/gpu"),
        tolerations: z
          .array(z.record(z.string(), z.union([z.string(), z.number()])))
          .min(1)
          .optional()
          .describe("taints of its machines that pods accept, as Kubernetes writes them"),
      }),
    )
    .optional()
    .describe("by the scenario's names of nodes"),
  mounted: z
    .string()
    .min(1)
    .optional()
    .describe("folder here that is the claim's volume; default: where the sweep starts"),
  throttle: throttle.describe("pods of a sweep at once; default: 100"),
});

export const inventorySchema = z.discriminatedUnion("kind", [local, ssh, slurm, kubernetes]);

export type Inventory = z.infer<typeof inventorySchema>;
type InventoryKind = Inventory["kind"];
export type InventoryOf<K extends InventoryKind> = Extract<Inventory, { readonly kind: K }>;
export type SlotPlace = z.infer<typeof slot>;
