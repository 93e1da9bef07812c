/** A Slurm cluster of four emulated nodes on this machine, for tests that run as root. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./listening.test-support.ts";
import { needs } from "./needs.test-support.ts";

const PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "setpriv"];
const NODES = [0, 1, 2, 3];
const START_MS = 60_000;

/** For `skipIf(!hasSlurm())`; says why where it is false. */
export function hasSlurm(): boolean {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin"];
  const missing = PROGRAMS.filter(
    (name) => !folders.some((folder) => existsSync(join(folder, name))),
  );
  return needs(
    missing.length > 0
      ? `${missing.join(", ")} (Debian: slurmctld slurmd slurm-client munge)`
      : "root",
    missing.length === 0 && process.getuid?.() === 0,
  );
}

export class SlurmLab {
  /** For the environment of Slurm's commands. */
  readonly configuration: string;
  readonly #folder: string;
  readonly #daemons: readonly ChildProcess[];
  readonly #nodes: ChildProcess[];

  private constructor(folder: string, daemons: readonly ChildProcess[], nodes: ChildProcess[]) {
    this.#folder = folder;
    this.#daemons = daemons;
    this.#nodes = nodes;
    this.configuration = configurationFile(folder);
  }

  /** `more` are further lines of slurm.conf. Each node has `cores` and one GPU, whose device is /dev/null. */
  static async start({ more = [], cores = 4 }: { more?: readonly string[]; cores?: number } = {}) {
    const folder = mkdtempSync(join(tmpdir(), "tandem-slurm-"));
    for (const name of ["state", "spool", "munge"]) mkdirSync(join(folder, name), { mode: 0o700 });
    mkdirSync("/run/slurm", { recursive: true });
    writeFileSync(join(folder, "munge", "key"), randomBytes(1024), { mode: 0o400 });
    writeFileSync(configurationFile(folder), await configuration(folder, cores, more));
    writeFileSync(
      join(folder, "gres.conf"),
      `NodeName=n[0-3] Name=gpu Type=lab File=${join(folder, "gpu0")}\n`,
    );
    spawnSync("mknod", [join(folder, "gpu0"), "c", "1", "3"]);
    const daemons = [daemon(folder, "munged", munge(folder))];
    await eventuallyTrue(() => existsSync(join(folder, "munge", "socket")));
    daemons.push(daemon(folder, "slurmctld", ["-D", "-c", "-f", configurationFile(folder)]));
    const nodes = NODES.map((node) => nodeDaemon(folder, node));
    const lab = new SlurmLab(folder, daemons, nodes);
    await eventuallyTrue(() => lab.says("sinfo", "-h", "-o", "%D %T") === "4 idle").catch(
      (error) => {
        const log = readFileSync(join(folder, "slurmctld.log"), "utf8").slice(-2000);
        lab.#end();
        throw new Error(`${(error as Error).message}; slurmctld says: ${log}`);
      },
    );
    return lab;
  }

  /** A command of Slurm and its output. */
  says(program: string, ...words: readonly string[]): string {
    const env = { ...process.env, SLURM_CONF: this.configuration };
    return spawnSync(program, words, { env, encoding: "utf8" }).stdout.trim();
  }

  /** Jobs that run or wait, by id. */
  jobs(): readonly string[] {
    return this.says("squeue", "-h", "-r", "-o", "%i")
      .split("\n")
      .filter((id) => id !== "");
  }

  /** Slurm's commands that run. */
  clients(): readonly number[] {
    const own = readdirSync("/proc").filter((name) => {
      if (!environmentOf(name).includes(`SLURM_CONF=${this.configuration}`)) return false;
      return ["salloc", "srun", "sbatch"].includes(commandOf(name));
    });
    return own.map(Number);
  }

  /** As if the machine lost its power: its daemon and the processes of its steps end by SIGKILL. */
  killNode(node: number): void {
    this.#nodes[node].kill("SIGKILL");
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      const variables = environmentOf(pid);
      const isHere = variables.includes(`SLURM_CONF=${this.configuration}`);
      if (isHere && variables.includes(`SLURMD_NODENAME=n${node}`)) {
        process.kill(Number(pid), "SIGKILL");
      }
    }
  }

  startNode(node: number): void {
    this.#nodes[node] = nodeDaemon(this.#folder, node);
  }

  async close(): Promise<void> {
    const jobs = this.jobs();
    if (jobs.length > 0) this.says("scancel", "--signal=KILL", ...jobs);
    if (jobs.length > 0) this.says("scancel", ...jobs);
    await eventuallyTrue(() => this.jobs().length === 0).catch(() => undefined);
    this.#end();
  }

  #end(): void {
    for (const child of [...this.#nodes, ...this.#daemons]) child.kill("SIGKILL");
    for (const pid of this.clients()) process.kill(pid, "SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const configurationFile = (folder: string): string => join(folder, "slurm.conf");

function munge(folder: string): readonly string[] {
  const at = (name: string): string => join(folder, "munge", name);
  return [
    ...["--foreground", "--force", `--key-file=${at("key")}`, `--socket=${at("socket")}`],
    ...[`--pid-file=${at("pid")}`, `--log-file=${at("log")}`, `--seed-file=${at("seed")}`],
  ];
}

async function configuration(
  folder: string,
  cores: number,
  more: readonly string[],
): Promise<string> {
  const host = hostname().split(".")[0];
  const ports = await freePorts(NODES.length + 1);
  return `${[
    "ClusterName=lab",
    `SlurmctldHost=${host}(127.0.0.1)`,
    ...["SlurmUser=root", "SlurmdUser=root", "AuthType=auth/munge", "CredType=cred/munge"],
    `AuthInfo=socket=${join(folder, "munge", "socket")}`,
    `SlurmctldPort=${ports[0]}`,
    `StateSaveLocation=${join(folder, "state")}`,
    `SlurmdSpoolDir=${join(folder, "spool")}/%n`,
    `SlurmctldPidFile=${join(folder, "slurmctld.pid")}`,
    `SlurmdPidFile=${join(folder, "slurmd-%n.pid")}`,
    ...["ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "MpiDefault=none"],
    ...["SelectType=select/cons_tres", "SelectTypeParameters=CR_Core", "SwitchType=switch/none"],
    ...["JobAcctGatherType=jobacct_gather/none", "SlurmdParameters=config_overrides"],
    ...["ReturnToService=2", "GresTypes=gpu"],
    // Heterogeneous jobs wait for the backfill scheduler.
    "SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1",
    ...more,
    `NodeName=n[0-3] NodeHostname=${host} NodeAddr=127.0.0.1 Port=${ports.slice(1).join(",")} CPUs=${cores} Boards=1 SocketsPerBoard=1 CoresPerSocket=${cores} ThreadsPerCore=1 RealMemory=8000 Gres=gpu:lab:1`,
    "PartitionName=p Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
  ].join("\n")}\n`;
}

/** Dies with this process, so that an aborted test leaves nothing behind. */
function daemon(folder: string, program: string, words: readonly string[]): ChildProcess {
  const log = `exec >>${join(folder, `${program}.log`)} 2>&1; exec setpriv --pdeathsig KILL "$0" "$@"`;
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  return spawn("sh", ["-c", log, program, ...words], { stdio: "ignore", env });
}

function nodeDaemon(folder: string, node: number): ChildProcess {
  return daemon(folder, "slurmd", ["-D", "-f", configurationFile(folder), "-N", `n${node}`]);
}

/** Empty for a process that has ended meanwhile. */
function environmentOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "";
  }
}

async function eventuallyTrue(holds: () => boolean): Promise<void> {
  for (const start = performance.now(); !holds(); ) {
    if (performance.now() - start > START_MS) throw new Error(`not so within ${START_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
