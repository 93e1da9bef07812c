/** A machine of an allocation: each process on it is a step. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../../core/fault.ts";
import { entryPoint, nodeFlags } from "../../processes/link.ts";
import { authority } from "../../security/bind-address.ts";
import {
  ENTRIES,
  type GatewayProgram,
  type Machine,
  type ModelFiles,
  type RemoteWorker,
} from "../machine.ts";
import { type AllocatedGroup, slurmSays } from "./allocation.ts";

export interface SlurmMachineOptions {
  /** Slurm's name of it. */
  readonly host: string;
  /** Address by which other machines reach it. */
  readonly address: string;
  readonly group: Omit<AllocatedGroup, "hosts">;
  /** Asks at once whether the allocation still runs. */
  readonly look: () => void;
  readonly deployment: string;
  readonly models: ModelFiles | null;
  /** GPUs that its workers choose from. */
  readonly gpus: number;
  readonly hasGateway: boolean;
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

  get address(): string {
    return this.#options.address;
  }

  get hasGateway(): boolean {
    return this.#options.hasGateway;
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
    const files = [process.execPath, fileOf("worker"), ...[models?.store ?? []].flat()];
    const said = await slurmSays(this.#step("probe", ["sh", "-c", PROBE, "sh", ...files]));
    const missing = [...said.matchAll(/^missing (.*)$/gm)].map(([, file]) => file);
    if (missing.length > 0) {
      throw new Fault("cluster-failure", `${host} does not see ${missing.join(" and ")}`, {
        hint: "install Node.js and Tandem in a folder that all machines of the partition see",
      });
    }
    const [, list = ""] = /^gpus (.*)$/m.exec(said) ?? [];
    const found = list === "" ? 0 : list.split(",").length;
    if (found >= gpus) return;
    throw new Fault("cluster-failure", `${host} gave ${found} of the ${gpus} GPUs`, {
      hint: "ask for them by `gres` of the node in the inventory, e.g. gpu:2",
    });
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    return { host: "0.0.0.0", port: this.#ports.get(name) ?? 0 };
  }

  command({ slot }: RemoteWorker): readonly string[] {
    const worker = this.#node("worker", []);
    if (slot.gpu === undefined) return this.#step("worker", worker);
    const choose = ["sh", "-c", CHOOSE_GPU, "sh", String(Number(slot.gpu) + 1)];
    return this.#step("worker", [...choose, ...worker]);
  }

  gatewayCommand(program: GatewayProgram, nodeOptions: readonly string[]): readonly string[] {
    // Slurm keeps output back until the end of its line; messages of the other programs are lines.
    const options = program === "forward" ? ["--unbuffered"] : [];
    return this.#step(program, this.#node(program, nodeOptions), options);
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

  #node(program: keyof typeof ENTRIES, nodeOptions: readonly string[]): readonly string[] {
    const flags = [...nodeFlags(process.versions.node), ...nodeOptions];
    const end = ["--stdio", `--deployment=${this.#options.deployment}`];
    return [process.execPath, ...flags, fileOf(program), ...end];
  }

  /** A step that shares the machine's part of the allocation with the other steps. */
  #step(
    name: string,
    words: readonly string[],
    options: readonly string[] = [],
  ): readonly string[] {
    const { host, group, look } = this.#options;
    look();
    return [
      ...["srun", ...group.options, "--overlap", "--nodes=1", "--ntasks=1", "--mem=0"],
      ...[`--cpus-per-task=${group.cpus}`, `--nodelist=${host}`, `--job-name=tandem-${name}`],
      ...[...options, ...words],
    ];
  }
}

function fileOf(program: keyof typeof ENTRIES): string {
  return fileURLToPath(entryPoint(ENTRIES[program]));
}
