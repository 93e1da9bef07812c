/** A machine of an allocation: each worker on it is a step. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../../core/fault.ts";
import { entryPoint, nodeFlags } from "../../processes/link.ts";
import { authority } from "../../security/bind-address.ts";
import type { Machine, ModelFiles, RemoteWorker } from "../machine.ts";
import { type AllocatedGroup, slurmSays } from "./allocation.ts";

export interface SlurmMachineOptions {
  /** Slurm's name of it. */
  readonly host: string;
  /** Address by which other machines reach it. */
  readonly address: string;
  readonly group: Omit<AllocatedGroup, "hosts">;
  readonly deployment: string;
  readonly models: ModelFiles | null;
  /** GPUs that its workers choose from. */
  readonly gpus: number;
}

/** Takes its number and a command: leaves that one of the job's GPUs to the command. */
const CHOOSE_GPU =
  'CUDA_VISIBLE_DEVICES=$(echo "$CUDA_VISIBLE_DEVICES" | cut -d, -f"$1"); export CUDA_VISIBLE_DEVICES; shift; exec "$@"';
/** Takes files that must be there; then says the GPUs. */
const PROBE =
  'for file in "$@"; do [ -r "$file" ] || echo "missing $file"; done; echo "gpus $CUDA_VISIBLE_DEVICES"';

export class SlurmMachine implements Machine {
  readonly #options: SlurmMachineOptions;
  readonly #ports = new Map<string, number>();

  constructor(options: SlurmMachineOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.host;
  }

  get processors(): number {
    return this.#options.group.cpus;
  }

  /** Files have the same paths on all machines. */
  get paths(): Machine["paths"] {
    const { models } = this.#options;
    if (models === null) return {};
    const { folder, store } = models;
    return { folder, ...(store === null ? {} : { store: dirname(store) }) };
  }

  async prepare(): Promise<void> {
    const { models, gpus, host } = this.#options;
    const store = models?.store ?? null;
    const files = [process.execPath, workerFile(), ...(store === null ? [] : [store])];
    const [program, ...words] = this.#step(["sh", "-c", PROBE, "sh", ...files]);
    const said = await slurmSays(program, words);
    const missing = [...said.matchAll(/^missing (.*)$/gm)].map(([, file]) => file);
    if (missing.length > 0) {
      throw new Fault("cluster-failure", `${host} does not see ${missing.join(" and ")}`, {
        hint: "install Node.js and Tandem in a folder that all machines of the partition see",
      });
    }
    const found =
      /^gpus (.*)$/m
        .exec(said)?.[1]
        .split(",")
        .filter((gpu) => gpu !== "") ?? [];
    if (found.length >= gpus) return;
    throw new Fault("cluster-failure", `${host} gave ${found.length} of the ${gpus} GPUs`, {
      hint: "ask for them by `gres` of the node in the inventory, e.g. gpu:2",
    });
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    return { host: "0.0.0.0", port: this.#ports.get(name) ?? 0 };
  }

  command({ slot }: RemoteWorker): readonly string[] {
    const { deployment } = this.#options;
    const flags = nodeFlags(process.versions.node);
    const worker = [
      process.execPath,
      ...flags,
      workerFile(),
      "--stdio",
      `--deployment=${deployment}`,
    ];
    if (slot.gpu === undefined) return this.#step(worker);
    return this.#step(["sh", "-c", CHOOSE_GPU, "sh", String(Number(slot.gpu) + 1), ...worker]);
  }

  async reach({ name }: RemoteWorker, port: number): Promise<string> {
    this.#ports.set(name, port);
    return authority(this.#options.address, port);
  }

  async release({ name }: RemoteWorker): Promise<void> {
    this.#ports.delete(name);
  }

  async close(): Promise<void> {
    this.#ports.clear();
  }

  /** A step that shares the machine's part of the allocation with the other steps. */
  #step(words: readonly string[]): readonly string[] {
    const { host, group } = this.#options;
    return [
      ...["srun", ...group.options, "--overlap", "--nodes=1", "--ntasks=1", "--mem=0"],
      ...[`--cpus-per-task=${group.cpus}`, `--nodelist=${host}`, "--job-name=tandem-worker"],
      ...words,
    ];
  }
}

function workerFile(): string {
  return fileURLToPath(entryPoint("worker/main"));
}
