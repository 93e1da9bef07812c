/** The allocation of a deployment: one job of Slurm, or the one that this process runs in. */
import { type ChildProcess, spawn } from "node:child_process";
import { Fault, type Issue } from "../../../engine/basics/fault.ts";
import {
  SLURM_MISSING,
  slurmFault,
  slurmOptions,
} from "../../../scenario/inventory/command-words.ts";
import type { InventoryOf } from "../../../scenario/inventory/schema.ts";
import { noSuch } from "../../../scenario/reading/issues.ts";
import { runTool } from "../client-command.ts";
import { NEVER_GONE } from "../machine.ts";

export type SlurmInventory = InventoryOf<"slurm">;

/** Equal machines that a node of the scenario needs. */
export interface MachinesNeeded {
  /** The node's name in the scenario. */
  readonly node: string;
  /** Their numbers among those of the node. */
  readonly numbers: readonly number[];
  /** Replicas and gateway on the one of them that has most. */
  readonly processes: number;
}

export interface AllocatedGroup {
  /** Names of Slurm's nodes, by the machines' numbers. */
  readonly hosts: ReadonlyMap<number, string>;
  /** Processors of each that steps may use. */
  readonly cpus: number;
  /** Options of srun that find the group. */
  readonly options: readonly string[];
}

interface Allocation {
  readonly job: string;
  readonly groups: ReadonlyMap<string, AllocatedGroup>;
  /** Resolves when the job ends unasked, with what happened. */
  readonly gone: Promise<string>;
  /** Called before each step: asks whether the job has ended, which salloc does not always notice. */
  look(): void;
  /** Gives the machines back; every step ends. Nothing for a job that was there before. */
  close(): Promise<void>;
}

interface AllocationOptions {
  readonly inventory: SlurmInventory;
  /** The job's name, by which it is found again. */
  readonly name: string;
  readonly needed: readonly MachinesNeeded[];
  readonly onEvent: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Jobs that this process has: a deployment that a measurement starts takes the measurement's machines. */
const open = new Set<Allocation>();

/** Waits for the machines, however long that takes. Rejects with a Fault that says what Slurm refuses. */
export async function openAllocation(options: AllocationOptions): Promise<Allocation> {
  const job = process.env.SLURM_JOB_ID;
  if (job !== undefined) return enclosing(options, job);
  const shared = [...open].find((allocation) => hasAll(allocation, options));
  if (shared !== undefined) return { ...shared, close: async () => undefined };
  const own = await allocate(options);
  open.add(own);
  const close = (): Promise<void> => {
    open.delete(own);
    return own.close();
  };
  return { ...own, close };
}

function hasAll({ groups }: Allocation, { inventory, needed }: AllocationOptions): boolean {
  return needed.every((one) => {
    const { hosts, cpus } = groups.get(one.node) ?? { hosts: new Map(), cpus: 0 };
    return cpus >= cpusOf(inventory, one) && one.numbers.every((number) => hosts.has(number));
  });
}

/** Says the job's variables, then waits for the end of its input: the job ends with this process, and it with the job. */
const HOLDER = "env | grep '^SLURM_JOB_'; echo granted; exec cat";

/**
 * Runs salloc, and ends the jobs of the name `$1` at the end of the input: while salloc waits for machines it
 * reads none, and that of Slurm 22.05 may turn in circles after a signal.
 */
const WATCH = `
exec 3<&0
name=$1; shift
"$@" <&3 3<&- &
salloc=$!
{
  read -r _ <&3
  scancel --quiet "--name=$name" &
  for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; kill -0 $salloc || exit; done
  kill -KILL $salloc
} >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait $salloc; code=$?
kill $watch 2>/dev/null
exit $code`;

async function allocate(options: AllocationOptions): Promise<Allocation> {
  const { inventory, name, needed, onEvent, signal } = options;
  const parts = needed.map((one) => requestWords(options, one));
  const joined = parts.flatMap((words, i) => (i === 0 ? words : [":", ...words]));
  const watched = ["-c", WATCH, "sh", name, "salloc", "--kill-command=TERM"];
  const words = [...watched, ...joined, "sh", "-c", HOLDER];
  // A session of its own: the terminal's Ctrl-C is not for it.
  const holder = spawn("sh", words, { stdio: ["pipe", "pipe", "pipe"], detached: true });
  let closed = false;
  const close = (): Promise<void> => {
    closed = true;
    return release(holder);
  };
  const abandon = (): void => void close();
  const ended = new Promise<void>((resolve) => holder.once("exit", () => resolve()));
  signal?.addEventListener("abort", abandon);
  try {
    const variables = await granted(holder, onEvent);
    const job = variables.get("SLURM_JOB_ID") as string;
    const groups = new Map<string, AllocatedGroup>();
    for (const [i, one] of needed.entries()) {
      const isAlone = needed.length === 1;
      const list = variables.get(`SLURM_JOB_NODELIST${isAlone ? "" : `_HET_GROUP_${i}`}`) as string;
      const component = isAlone ? [] : [`--het-group=${i}`];
      groups.set(one.node, {
        hosts: numbered(one, await hostsIn(list)),
        cpus: cpusOf(inventory, one),
        options: [`--jobid=${job}`, ...component],
      });
    }
    tell(job, groups, onEvent);
    const { gone: noticed, look } = lookedAt(job);
    const told = ended.then(() => `Slurm job ${job} has ended`);
    const gone = Promise.race([told, noticed]).then((what) => (closed ? NEVER_GONE : what));
    return { job, groups, gone, close, look };
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abandon);
  }
}

/** Inside `salloc` or `sbatch`, steps run in that job. */
async function enclosing(
  { inventory, needed, onEvent }: AllocationOptions,
  job: string,
): Promise<Allocation> {
  const hosts = [...(await hostsIn(process.env.SLURM_JOB_NODELIST ?? ""))];
  const wanted = needed.reduce((sum, { numbers }) => sum + numbers.length, 0);
  if (hosts.length < wanted) {
    throw new Fault("invalid-input", `job ${job} has ${hosts.length} of the ${wanted} machines`, {
      hint: `ask for more (\`--nodes=${wanted}\`), or start this outside a job: it makes one`,
    });
  }
  const groups = new Map<string, AllocatedGroup>();
  for (const one of needed) {
    const own = numbered(one, hosts.splice(0, one.numbers.length));
    const cpus = cpusOf(inventory, one);
    groups.set(one.node, { hosts: own, cpus, options: [`--jobid=${job}`] });
  }
  tell(job, groups, onEvent);
  return { job, groups, ...lookedAt(job), close: async () => undefined };
}

function lookedAt(job: string): Pick<Allocation, "gone" | "look"> {
  let asking = false;
  let look = (): void => undefined;
  const gone = new Promise<string>((resolve) => {
    look = async () => {
      if (asking) return;
      asking = true;
      // Where squeue cannot be run, the next look asks again.
      const ended = await hasEnded(job).catch(() => false);
      asking = false;
      if (ended) resolve(`Slurm job ${job} has ended`);
    };
  });
  return { gone, look };
}

/** False where Slurm does not answer. */
async function hasEnded(job: string): Promise<boolean> {
  const command = ["squeue", "--noheader", "--format=%T", `--jobs=${job}`];
  const { stdout, stderr, code } = await runTool(command, { missing: SLURM_MISSING });
  if (code !== 0) return /Invalid job id/i.test(stderr);
  return stdout.split("\n").every((state) => state === "" || state === "COMPLETING");
}

function numbered({ numbers }: MachinesNeeded, hosts: readonly string[]) {
  return new Map(numbers.map((number, i) => [number, hosts[i]]));
}

function tell(
  job: string,
  groups: ReadonlyMap<string, AllocatedGroup>,
  onEvent: (line: string) => void,
): void {
  const places = [...groups].map(
    ([node, { hosts }]) => `${node} on ${[...hosts.values()].join(", ")}`,
  );
  onEvent(`Slurm job ${job}: ${places.join("; ")}`);
}

function requestWords(
  { inventory, name }: AllocationOptions,
  needed: MachinesNeeded,
): readonly string[] {
  const own = inventory.nodes?.[needed.node] ?? {};
  const { partition = inventory.partition, constraint, gres } = own;
  const cpus = cpusOf(inventory, needed);
  return [
    // A machine that dies takes its own steps only.
    ...[`--job-name=${name}`, "--no-kill", `--nodes=${needed.numbers.length}`],
    ...["--ntasks-per-node=1", `--cpus-per-task=${cpus}`],
    ...(gres === undefined ? [] : [`--gres=${gres}`]),
    ...(constraint === undefined ? [] : [`--constraint=${constraint}`]),
    ...slurmOptions({ ...inventory, partition }),
  ];
}

function cpusOf({ nodes }: SlurmInventory, { node, processes }: MachinesNeeded): number {
  return nodes?.[node]?.cpus ?? processes;
}

/** A shell's exit code for a command that is not there. */
const NOT_FOUND = 127;

/** Resolves with the job's variables once its machines are ready. */
function granted(
  holder: ChildProcess,
  onEvent: (line: string) => void,
): Promise<ReadonlyMap<string, string>> {
  return new Promise((resolve, reject) => {
    let [stdout, stderr] = ["", ""];
    holder.once("error", reject);
    holder.once("close", (code) => {
      const missing = new Fault("not-found", "cannot run salloc", { hint: SLURM_MISSING });
      reject(code === NOT_FOUND ? missing : slurmFault("salloc", stderr, code));
    });
    holder.stdin?.on("error", () => undefined);
    holder.stderr?.setEncoding("utf8").on("data", (text: string) => {
      const isNew = !stderr.includes("queued and waiting");
      stderr += text;
      const [, job] = /job (\d+) queued and waiting/.exec(stderr) ?? [];
      if (isNew && job !== undefined) {
        onEvent(`Slurm job ${job} waits for machines: \`squeue --start -j ${job}\` says how long`);
      }
    });
    holder.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (!/^granted$/m.test(stdout)) return;
      const pairs = [...stdout.matchAll(/^(SLURM_\w+)=(.*)$/gm)];
      resolve(new Map(pairs.map(([, name, value]) => [name, value])));
    });
  });
}

async function release(holder: ChildProcess): Promise<void> {
  if (holder.exitCode !== null || holder.signalCode !== null || holder.pid === undefined) return;
  const ended = new Promise<void>((resolve) => holder.once("exit", () => resolve()));
  holder.stdin?.end();
  await ended;
}

async function hostsIn(list: string): Promise<readonly string[]> {
  return (await slurmSays(["scontrol", "show", "hostnames", list])).trim().split(/\s+/);
}

/** The output of a command of Slurm. Rejects with its complaint as a Fault. */
export async function slurmSays(command: readonly string[], timeoutMs = 0): Promise<string> {
  const { stdout, stderr, code } = await runTool(command, { missing: SLURM_MISSING, timeoutMs });
  if (code === 0) return stdout;
  throw slurmFault(command[0], stderr, code);
}

const LOOK_UP_MS = 10_000;

/** The names of `gres` that no machine of the partition has. Rejects with a Fault where Slurm does not answer. */
export async function unknownGres({
  nodes = {},
  partition,
}: SlurmInventory): Promise<readonly Issue[]> {
  const asked = Object.entries(nodes).flatMap(([node, { gres }]) =>
    gresNames(gres ?? "").map((name) => ({ path: `nodes.${node}.gres`, name })),
  );
  if (asked.length === 0) return [];
  const within = partition === undefined ? [] : [`--partition=${partition}`];
  const said = await slurmSays(["sinfo", "--noheader", "--format=%G", ...within], LOOK_UP_MS);
  if (said === "") throw new Fault("not-found", `sinfo lists no partition "${partition}"`);
  const known = new Set(gresNames(said.replace(/\([^)]*\)/g, "").replaceAll("\n", ",")));
  // A request without a type takes any.
  for (const name of [...known]) known.add(name.split(":")[0]);
  return asked
    .filter(({ name }) => !known.has(name))
    .map(({ path, name }) => noSuch("GRES", path, name, known));
}

/** `gres/gpu:a100:2,shard` → `gpu:a100` and `shard`. */
function gresNames(list: string): readonly string[] {
  const names = list.split(",").map((one) => one.replace(/^gres[:/]|:\d+[KMG]?$/g, "").trim());
  return names.filter((name) => name !== "");
}
