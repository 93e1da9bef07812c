/** Kind `ssh`: machines of a lab behind the OpenSSH client of this one. */
import { mkdtempSync, rmSync } from "node:fs";
import { join, posix } from "node:path";
import { Fault } from "../../../engine/basics/fault.ts";
import { coresIn } from "../../../scenario/inventory/read-inventory.ts";
import type { SlotPlace } from "../../../scenario/inventory/schema.ts";
import { replays } from "../../../scenario/schema/implementation-kinds.ts";
import { nodeFlags } from "../../processes/link.ts";
import { ownFolder } from "../../processes/own-folder.ts";
import { authority } from "../../security/tls.ts";
import {
  askEach,
  ENTRIES,
  listedMachines,
  type Machine,
  type MachineContext,
  type MachineKind,
  type Program,
  type RemoteWorker,
} from "../machine.ts";
import {
  gatewayShipment,
  MANIFEST,
  modelShipment,
  type Shipment,
  workerShipment,
  writeArchive,
} from "../shipment.ts";
import {
  addressOf,
  factsOf,
  LEFTOVER_SCRIPT,
  leftoverPids,
  type MachineFacts,
  openTunnel,
  PROBE_SCRIPT,
  type RemoteHost,
  remoteCommand,
  remoteHost,
  runRemote,
  type SshInventory,
  type Tunnel,
  VERIFY_SCRIPT,
  wrongFilesOf,
} from "./ssh-command.ts";

export const SSH: MachineKind = {
  async open(context) {
    const { loaded, deployment, places, backend, onEvent, signal } = context;
    const inventory = loaded.inventory as SshInventory;
    const native = !replays(backend);
    const program = workerShipment(native);
    const models = context.models === null ? null : modelShipment(context.models);
    const sockets = mkdtempSync(join(ownFolder(), "s"));
    const shared = { inventory, deployment, program, native, models, onEvent, signal };
    const { working, ...listed } = listedMachines(
      inventory,
      places,
      (name, slots, number) =>
        new SshMachine({
          ...shared,
          slots,
          remote: remoteHost(loaded, name),
          gateway: name === inventory.gateway ? gatewayShipment() : null,
          sockets: `${join(sockets, String(number))}-`,
        }),
    );
    // A tunnel's end is a socket here.
    const reached = inventory.reach === "direct" ? working : [];
    return {
      ...listed,
      hosts: reached.map((name) => addressOf(inventory, name)),
      close: async () => rmSync(sockets, { recursive: true, force: true }),
    };
  },

  leftovers(context, end) {
    const { machines } = context.loaded.inventory as SshInventory;
    return askEach(Object.keys(machines), async (name) => {
      const words = ["sh", "-s", "-", context.deployment, end ? "end" : "look"];
      const { stdout } = await runRemote(remoteHost(context.loaded, name), words, LEFTOVER_SCRIPT);
      const pids = leftoverPids(stdout);
      if (pids === null) throw new Fault("cluster-failure", `${name}: its shell ran no script`);
      return pids.map((pid) => `a process on ${name}, pid ${pid}`);
    });
  },
};

/** The oldest Node.js that runs the program, as `engines` of package.json says. */
const OLDEST_NODE = [20, 19] as const;
/** Files take more room than bytes. */
const ROOM_FACTOR = 1.2;

interface SshMachineOptions extends Pick<MachineContext, "deployment" | "onEvent" | "signal"> {
  readonly remote: RemoteHost;
  readonly inventory: SshInventory;
  /** Slots that workers will have, for their checks. */
  readonly slots: readonly SlotPlace[];
  readonly program: Shipment;
  /** The gateway's program, if the gateway runs on this machine. */
  readonly gateway: Shipment | null;
  /** Whether the program has parts for this machine's system alone. */
  readonly native: boolean;
  readonly models: Shipment | null;
  /** Start of the paths of the tunnels' sockets. */
  readonly sockets: string;
}

/** Checks the machine, sends it the program, starts workers there and opens ways to them. */
class SshMachine implements Machine {
  readonly #options: SshMachineOptions;
  readonly #tunnels = new Map<string, Tunnel>();
  /** By worker, where the gateway reaches them without a tunnel. */
  readonly #ports = new Map<string, number>();
  #facts: MachineFacts | null = null;

  constructor(options: SshMachineOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.remote.name;
  }

  get processors(): number {
    return this.#known.processors;
  }

  get paths(): Machine["paths"] {
    const { models } = this.#options;
    if (models === null) return {};
    const folder = this.#place(models);
    return { folder: posix.join(folder, "scenario"), store: posix.join(folder, "store") };
  }

  async prepare(): Promise<void> {
    const { native, program, models, gateway, slots } = this.#options;
    this.#facts = await this.#probe();
    this.#check(this.#facts);
    if (native && slots.length > 0) this.#checkSystem(this.#facts);
    const ofWorkers = slots.length === 0 ? [] : [program, models];
    for (const shipment of [...ofWorkers, gateway]) {
      if (shipment !== null) await this.#send(shipment);
    }
  }

  listen({ name }: RemoteWorker): { readonly host: string; readonly port: number } {
    if (this.#options.inventory.reach === "tunnel") {
      return { host: "127.0.0.1", port: this.#ports.get(name) ?? 0 };
    }
    return { host: "0.0.0.0", port: this.#directPort(name) };
  }

  command(program: Program, { slot }: RemoteWorker, nodeOptions: readonly string[] = []) {
    const { program: own, gateway, remote, deployment } = this.#options;
    const { node, nodeVersion } = this.#known;
    const shipment = program === "worker" ? own : (gateway as Shipment);
    const cores = program === "worker" ? (slot.cores ?? this.#own.cores) : undefined;
    return remoteCommand(remote, [
      "exec",
      ...(slot.gpu === undefined ? [] : ["env", `CUDA_VISIBLE_DEVICES=${slot.gpu}`]),
      ...(cores === undefined ? [] : ["taskset", "-c", cores]),
      ...[node, ...nodeFlags(nodeVersion), ...nodeOptions],
      posix.join(this.#place(shipment), `cluster/${ENTRIES[program]}.js`),
      ...["--stdio", `--deployment=${deployment}`],
    ]);
  }

  async reach({ name }: RemoteWorker, port: number): Promise<string> {
    const { remote, inventory, sockets, gateway, onEvent } = this.#options;
    if (inventory.reach === "direct" || gateway !== null) {
      this.#ports.set(name, port);
      const isOpen = inventory.reach === "direct";
      return authority(isOpen ? addressOf(inventory, this.name) : "127.0.0.1", port);
    }
    const socket = `${sockets}${name}`;
    const tunnel = this.#tunnels.get(name) ?? openTunnel(remote, socket, onEvent);
    this.#tunnels.set(name, tunnel);
    await tunnel.lead(port, 2000 * inventory.connectTimeoutS);
    return `unix:${socket}`;
  }

  async release({ name }: RemoteWorker): Promise<void> {
    this.#tunnels.get(name)?.close();
    this.#tunnels.delete(name);
    this.#ports.delete(name);
  }

  async close(): Promise<void> {
    for (const tunnel of this.#tunnels.values()) tunnel.close();
    this.#tunnels.clear();
  }

  get #known(): MachineFacts {
    if (this.#facts === null) throw new Error(`${this.name} is not prepared`);
    return this.#facts;
  }

  get #own(): SshInventory["machines"][string] {
    return this.#options.inventory.machines[this.name];
  }

  /** A port of the inventory's range that no other worker has; 0 without a range. */
  #directPort(worker: string): number {
    const known = this.#ports.get(worker);
    if (known !== undefined) return known;
    const { ports } = this.#options.inventory;
    if (ports === undefined) return 0;
    const taken = new Set(this.#ports.values());
    for (let port = ports[0]; port <= ports[1]; port++) {
      if (taken.has(port)) continue;
      this.#ports.set(worker, port);
      return port;
    }
    throw new Fault("invalid-input", `${this.name}: more workers than ports ${ports.join("-")}`, {
      hint: "widen `ports` in the inventory",
    });
  }

  #folder(): string {
    const { cache } = this.#options.inventory;
    return cache.startsWith("/") ? cache : posix.join(this.#known.home, cache);
  }

  #place({ digest }: Shipment): string {
    return posix.join(this.#folder(), digest);
  }

  async #probe(): Promise<MachineFacts> {
    const { remote, inventory, signal } = this.#options;
    const words = ["sh", "-s", "-", this.#own.node ?? "", inventory.cache];
    const { stdout, stderr } = await runRemote(remote, words, PROBE_SCRIPT, signal);
    const facts = factsOf(stdout);
    if (facts !== null) return facts;
    throw this.#fault(`its shell did not run our script: ${lastLine(stderr)}`, {
      hint: `\`ssh ${remote.host} sh -c true\` must work`,
    });
  }

  #check({ system, node, nodeVersion, taskset, online }: MachineFacts): void {
    if (!system.startsWith("Linux ")) {
      throw this.#fault(`it runs ${system}; workers run on Linux`);
    }
    const [major, minor] = nodeVersion.split(".").map(Number);
    if (!(major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]))) {
      const version = nodeVersion === "" ? "does not run" : `is version ${nodeVersion}`;
      const found = node === "" ? "there is no Node.js" : `its Node.js ${node} ${version}`;
      throw this.#fault(`${found}; it needs ${OLDEST_NODE.join(".")} or later`, {
        hint: "install one there, or give `node: PATH` for the machine in the inventory",
      });
    }
    const cores = [this.#own.cores, ...this.#options.slots.map((slot) => slot.cores)];
    const asked = cores.filter((list) => list !== undefined);
    if (asked.length > 0 && !taskset) {
      throw this.#fault("`cores` needs taskset, which it lacks", {
        hint: "install util-linux there, or leave `cores` out",
      });
    }
    const there = new Set(coresIn(online));
    const wrong = asked.filter((list) => coresIn(list).some((core) => !there.has(core)));
    if (online !== "" && wrong.length > 0) {
      throw this.#fault(`it has no cores ${[...new Set(wrong)].join(" or ")}`, {
        hint: `it has ${online}; see \`cores\` in the inventory`,
      });
    }
  }

  /** For real models: native parts are those of the machine that sends them. */
  #checkSystem({ system, libc, gpus }: MachineFacts): void {
    const asked = this.#options.slots.flatMap(({ gpu }) => gpu ?? []);
    const wrong = [...new Set(asked)].filter((gpu) => Number(gpu) >= gpus);
    if (wrong.length > 0) {
      throw this.#fault(`it has no GPU ${wrong.join(" or ")}`, {
        hint: `it has ${gpus}, from 0; see \`devices\` in the inventory`,
      });
    }
    const here = { x64: "x86_64", arm64: "aarch64" }[process.arch as string] ?? process.arch;
    const [, architecture] = system.split(" ");
    const hint = "real models need the same system everywhere; the replay backend does not";
    if (architecture !== here) {
      throw this.#fault(`it is ${architecture}, and this machine is ${here}`, { hint });
    }
    const isMusl = ownLibc() === "musl";
    if (libc !== "" && (libc === "musl") !== isMusl) {
      const own = isMusl ? "musl" : "glibc";
      throw this.#fault(`its C library is ${libc}, and this machine's is ${own}`, { hint });
    }
  }

  /** Sends what is not there, or is there broken. */
  async #send(shipment: Shipment): Promise<void> {
    const { remote, onEvent, signal } = this.#options;
    const place = this.#place(shipment);
    if ((await this.#wrongFiles("", shipment)).length === 0) return;
    const { freeBytes } = this.#known;
    if (freeBytes < shipment.bytes * ROOM_FACTOR) throw this.#full(shipment);
    // Machines may share a home folder.
    const part = `${place}.${this.name}-${process.pid}-${Date.now().toString(36)}`;
    onEvent(`${this.name}: sending ${(shipment.bytes / 1e6).toFixed(1)} MB to ${place}`);
    const receive = 'umask 077 && mkdir -p "$0" && tar -xf - -C "$0" || { rm -rf "$0"; exit 9; }';
    const words = ["sh", "-c", receive, part];
    const feed = (input: NodeJS.WritableStream) => writeArchive(shipment, input);
    const { code, stderr } = await runRemote(remote, words, feed, signal);
    if (code !== 0) {
      if (/No space left|quota/i.test(stderr)) throw this.#full(shipment);
      throw this.#fault(`it did not take ${place}: ${lastLine(stderr)}`, {
        hint: "is the folder writable? `cache` in the inventory names another",
      });
    }
    const wrong = await this.#wrongFiles(part, shipment);
    if (wrong.length > 0) {
      throw this.#fault(`what arrived differs from what was sent: ${wrong.join(", ")}`, {
        hint: `its disk or the connection is faulty; nothing is left of ${part}`,
      });
    }
  }

  async #wrongFiles(sent: string, shipment: Shipment): Promise<readonly string[]> {
    const { remote, signal } = this.#options;
    const words = [this.#known.node, "-", sent, this.#place(shipment), MANIFEST, shipment.digest];
    const { stdout, stderr } = await runRemote(remote, words, VERIFY_SCRIPT, signal);
    const wrong = wrongFilesOf(stdout);
    if (wrong !== null) return wrong;
    throw this.#fault(`its Node.js did not run our check: ${lastLine(stderr)}`);
  }

  #full({ bytes }: Shipment): Fault {
    const { freeBytes } = this.#known;
    const [needed, free] = [bytes * ROOM_FACTOR, freeBytes].map((n) => (n / 1e6).toFixed(1));
    return this.#fault(`its disk is full: ${needed} MB are needed, ${free} MB are free`, {
      hint: `make room in ${this.#folder()}, or name another folder by \`cache\` in the inventory`,
    });
  }

  #fault(message: string, options: { readonly hint?: string } = {}): Fault {
    return new Fault("cluster-failure", `${this.name}: ${message}`, options);
  }
}

/** As `detect-libc` does: glibc reports its version to Node. */
function ownLibc(): "glibc" | "musl" {
  const { header } = process.report.getReport() as {
    readonly header: { readonly glibcVersionRuntime?: string };
  };
  return header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) || "it says nothing";
}
