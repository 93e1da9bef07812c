/**
 * A Kubernetes of one node on this machine. Its network, mounts and process numbers are namespaces of its own, so that
 * its daemons and pods end with its first process, and what they write to /var, /run and kernel settings ends with them.
 * Needs root, Kubernetes' programs in the folder TANDEM_KUBERNETES, and Debian's etcd-server, containerd and
 * containernetworking-plugins. It has no kube-proxy and enforces no NetworkPolicy.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "../../checks/support/needs.test-support.ts";
import { BASE } from "./docker-here.test-support.ts";

const START_MS = 180_000;
const NODE = "10.9.0.1";
const API = `https://${NODE}:6443`;
const TOKEN = "lab";
const SOCKET = "/run/containerd/containerd.sock";
const FOLDER = process.env.TANDEM_KUBERNETES;
const PROGRAMS = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kubelet",
  "kubectl",
];
/** The last is of control groups, version 1: version 2 was not tried. */
const SYSTEM = [
  ...["/usr/bin/etcd", "/usr/bin/containerd", "/usr/lib/cni/bridge", "/usr/bin/nsenter"],
  "/sys/fs/cgroup/cpu",
];

/** For `skipIf(!hasKubernetes())`; says why where it is false. */
export function hasKubernetes(): boolean {
  if (FOLDER === undefined) return needs("TANDEM_KUBERNETES, a folder of programs,", false);
  const files = [...PROGRAMS.map((name) => join(FOLDER, name)), ...SYSTEM];
  const missing = files.filter((file) => !existsSync(file));
  if (process.getuid?.() !== 0) missing.push("root");
  return needs(missing.join(", "), missing.length === 0);
}

/** The first process. `$1` has the programs, `$2` is the name of its control group; it ends with its input. */
const NAMESPACE = `
set -eu
mount -t overlay overlay -o "lowerdir=/var,upperdir=$PWD/var,workdir=$PWD/work" /var
mount -t tmpfs tmpfs /run
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \\
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  file=kernel-$(basename $name)
  cat /proc/sys/$name >$file
  mount --bind $file /proc/sys/$name
done
for group in /sys/fs/cgroup/*/; do
  mkdir "$group$2"
  for name in cpus mems; do
    [ ! -e "\${group}cpuset.$name" ] || cat "\${group}cpuset.$name" >"$group$2/cpuset.$name"
  done
done
ip link set lo up
ip link add cni0 type bridge && ip addr add ${NODE}/24 dev cni0 && ip link set cni0 up
start() { name=$1; shift; "$@" >log-$name 2>&1 & }
api="--kubeconfig=kubeconfig"
start etcd etcd --data-dir=/run/etcd --listen-client-urls=http://127.0.0.1:2379 \\
  --advertise-client-urls=http://127.0.0.1:2379
start apiserver "$1/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --cert-dir=/run/apiserver \\
  --bind-address=${NODE} --advertise-address=${NODE} --secure-port=6443 \\
  --endpoint-reconciler-type=none --kubelet-preferred-address-types=InternalIP \\
  --token-auth-file=tokens.csv --authorization-mode=AlwaysAllow --disable-admission-plugins=ServiceAccount \\
  --service-account-issuer=${API} --service-account-key-file=accounts.key \\
  --service-account-signing-key-file=accounts.key --service-cluster-ip-range=10.10.0.0/24
start containerd containerd --config=containerd.toml
start names "$3" names.mjs
until "$1/kubectl" $api get --raw=/readyz >/dev/null 2>&1; do sleep 0.5; done
start controllers "$1/kube-controller-manager" $api --leader-elect=false \\
  --service-account-private-key-file=accounts.key
start scheduler "$1/kube-scheduler" $api --leader-elect=false
start kubelet "$1/kubelet" $api --config=kubelet.json --node-ip=${NODE} --hostname-override=node
cat
`;

/** A name server of the pods of headless Services. */
const NAMES = `
import { createSocket } from "node:dgram";
import { get } from "node:https";
const options = { rejectUnauthorized: false, headers: { authorization: "Bearer ${TOKEN}" } };
const endpoints = (namespace, service) =>
  new Promise((resolve) => {
    const url = "${API}/api/v1/namespaces/" + namespace + "/endpoints/" + service;
    get(url, options, (answer) => {
      let text = "";
      answer.on("data", (part) => { text += part; }).on("end", () => resolve(JSON.parse(text)));
    }).on("error", () => resolve({}));
  });
const socket = createSocket("udp4").on("message", async (query, { address, port }) => {
  const end = query.indexOf(0, 12) + 5;
  const labels = [];
  for (let at = 12; query[at] > 0; at += query[at] + 1) {
    labels.push(query.toString("latin1", at + 1, at + 1 + query[at]));
  }
  const [pod, service, namespace, ...domain] = labels;
  const { subsets = [] } = domain.join(".") === "svc.cluster.local" ? await endpoints(namespace, service) : {};
  const found = subsets.flatMap(({ addresses = [] }) => addresses).find(({ hostname }) => hostname === pod);
  const isIpv4 = query.readUInt16BE(end - 4) === 1;
  const answer = Buffer.from("c00c000100010000000500040000" + "0000", "hex");
  if (found) answer.set(found.ip.split(".").map(Number), 12);
  const header = Buffer.concat([query.subarray(0, 2), Buffer.from("81800001000000000000", "hex")]);
  if (!found) header[3] = 0x83;
  const answers = found && isIpv4 ? [answer] : [];
  header.writeUInt16BE(answers.length, 6);
  socket.send(Buffer.concat([header, query.subarray(12, end), ...answers]), port, address);
}).bind(53, "${NODE}");
`;

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class KubernetesHere {
  readonly folder = mkdtempSync(join(tmpdir(), "tandem-kubernetes-"));
  readonly #group = `tandem-kubernetes-${process.pid}`;
  readonly #first: ChildProcess;

  private constructor() {
    this.#writeFiles();
    const unshare = [
      "unshare",
      "--net",
      "--mount",
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
    ];
    const script = ["sh", "-c", NAMESPACE, "sh", FOLDER ?? "", this.#group, process.execPath];
    this.#first = spawn("setpriv", ["--pdeathsig", "KILL", ...unshare, ...script], {
      cwd: this.folder,
      stdio: ["pipe", "inherit", "inherit"],
    });
  }

  /** With the images of `DockerHere.save`. Rejects with what its daemons said last. */
  static async start(images: string): Promise<KubernetesHere> {
    const lab = new KubernetesHere();
    try {
      await lab.#eventually("containerd", ["ctr", "--address", SOCKET, "version"]);
      const load = ["--address", SOCKET, "--namespace", "k8s.io", "images", "import", images];
      const { code, stderr } = await lab.run("ctr", ...load);
      if (code !== 0) throw new Error(stderr);
      const ready = ["kubectl", "wait", "node/node", "--for=condition=Ready", "--timeout=1s"];
      await lab.#eventually("kubelet", ready);
      return lab;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** A command in its network. */
  run(program: string, ...words: readonly string[]): Promise<Ended> {
    const child = this.spawn(program, ...words);
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name]?.setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    return new Promise((resolve) => child.once("close", (code) => resolve({ code, ...said })));
  }

  spawn(program: string, ...words: readonly string[]): ChildProcess {
    const place = ["-t", String(this.#first.pid), "--net", "--mount", `--wdns=${this.folder}`];
    const env = {
      ...process.env,
      PATH: `${FOLDER}:${process.env.PATH}`,
      KUBECONFIG: join(this.folder, "kubeconfig"),
    };
    return spawn("nsenter", [...place, program, ...words], { env });
  }

  /** Its output. Rejects with an Error where it fails. */
  async kubectl(...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run("kubectl", ...words);
    if (code !== 0) throw new Error(`kubectl ${words.join(" ")}: ${stderr}`);
    return stdout;
  }

  async close(): Promise<void> {
    const ended = once(this.#first, "exit");
    this.#first.stdin?.end();
    if (this.#first.exitCode === null) await ended;
    const find = `find /sys/fs/cgroup/*/${this.#group} -depth -type d -exec rmdir {} +`;
    await once(spawn("sh", ["-c", find], { stdio: "ignore" }), "exit");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #eventually(daemon: string, [program, ...words]: readonly string[]): Promise<void> {
    const giveUpAt = Date.now() + START_MS;
    while ((await this.run(program, ...words)).code !== 0) {
      if (this.#first.exitCode !== null || Date.now() > giveUpAt) {
        const log = join(this.folder, `log-${daemon}`);
        const said = existsSync(log) ? readFileSync(log, "utf8").slice(-4000) : "";
        throw new Error(`${daemon} did not start: ${said}`);
      }
      await sleep(500);
    }
  }

  #writeFiles(): void {
    const write = (name: string, content: string | object): void =>
      writeFileSync(
        join(this.folder, name),
        typeof content === "string" ? content : JSON.stringify(content),
      );
    for (const name of ["var", "work", "cni"]) mkdirSync(join(this.folder, name));
    write("names.mjs", NAMES);
    write("tokens.csv", `${TOKEN},admin,admin,system:masters\n`);
    write("resolv.conf", "");
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    write("accounts.key", privateKey.export({ type: "pkcs1", format: "pem" }) as string);
    write("kubeconfig", {
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "lab", cluster: { server: API, "insecure-skip-tls-verify": true } }],
      users: [{ name: "lab", user: { token: TOKEN } }],
      contexts: [{ name: "lab", context: { cluster: "lab", user: "lab" } }],
      "current-context": "lab",
    });
    write("containerd.toml", containerd(this.folder));
    write("cni/lab.conflist", {
      cniVersion: "0.4.0",
      name: "lab",
      plugins: [
        {
          type: "bridge",
          bridge: "cni0",
          ipam: { type: "host-local", subnet: "10.9.0.0/24", rangeStart: "10.9.0.10" },
        },
      ],
    });
    write("kubelet.json", {
      apiVersion: "kubelet.config.k8s.io/v1beta1",
      kind: "KubeletConfiguration",
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: "AlwaysAllow" },
      cgroupDriver: "cgroupfs",
      cgroupRoot: `/${this.#group}`,
      containerRuntimeEndpoint: `unix://${SOCKET}`,
      clusterDNS: [NODE],
      clusterDomain: "cluster.local",
      resolvConf: join(this.folder, "resolv.conf"),
      failCgroupV1: false,
      failSwapOn: false,
      localStorageCapacityIsolation: false,
      makeIPTablesUtilChains: false,
      evictionHard: {
        "memory.available": "50Mi",
        "nodefs.available": "1%",
        "imagefs.available": "1%",
      },
    });
  }
}

function containerd(folder: string): string {
  const cri = `plugins."io.containerd.grpc.v1.cri"`;
  return `version = 2
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
address = "${SOCKET}"
[${cri}]
sandbox_image = "docker.io/library/${BASE}:latest"
restrict_oom_score_adj = true
disable_apparmor = true
[${cri}.cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${folder}/cni"
`;
}
