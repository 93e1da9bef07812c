/** A worker that comes back under its name with another address, as a pod does that Kubernetes replaces. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { needs } from "../../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { writeCertificates } from "../security/tls.ts";
import { until } from "../time/clock.ts";
import { configurationText } from "./container-plan.ts";

const PATIENCE_MS = 60_000;
const NAME = "worker.pods";
const PORT = 9000;
const folder = temporaryFolder("moved-pod");
const place = (name: string): string => join(folder, name);
const CLI = join(import.meta.dirname, "../../dist/cli/tandem.js");
const words = ["--net", "--mount", "true"];
const isHere = spawnSync("unshare", words).status === 0 && spawnSync("ip", ["-V"]).status === 0;

/** A name server of one name, whose address is the file's content now. */
const NAME_SERVER = `
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
const socket = createSocket("udp4").on("message", (query, { address, port }) => {
  const end = query.indexOf(0, 12) + 5;
  const isIpv4 = query.readUInt16BE(end - 4) === 1;
  const answer = Buffer.from("c00c00010001000000000004" + "00000000", "hex");
  const now = readFileSync("address", "utf8");
  answer.set(now.split(".").map(Number), 12);
  const header = Buffer.concat([query.subarray(0, 2), Buffer.from("81800001000000000000", "hex")]);
  header.writeUInt16BE(isIpv4 ? 1 : 0, 6);
  socket.send(Buffer.concat([header, query.subarray(12, end), ...(isIpv4 ? [answer] : [])]), port, address);
}).bind(53, "127.0.0.1", () => console.log("bound"));
`;

/** A network and name service of its own; gone with its last process. Nothing answers at the other end of "pods". */
const NAMESPACE = `
ip link set lo up && ip link add pods type veth peer name other && ip link set other up &&
ip link set pods up arp off && ip addr add 10.9.0.1/24 dev pods &&
mount --bind resolv.conf /etc/resolv.conf && echo made && exec cat
`;

const started: ChildProcess[] = [];
let holder: ChildProcess;

function inNamespace(...command: readonly string[]) {
  const place = ["-t", String(holder.pid), "--net", "--mount", `--wd=${folder}`];
  const child = spawn("nsenter", [...place, ...command]);
  started.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => {
      said += text;
    });
  }
  return {
    kill: () => child.kill("SIGKILL"),
    says: (text: string): Promise<boolean> => until(() => said.includes(text), PATIENCE_MS),
    said: () => said,
  };
}

function serve(...options: readonly string[]) {
  const common = ["cluster", "serve", "--config", "tandem.json", "--certs", "certs"];
  return inNamespace(process.execPath, CLI, ...common, ...options);
}

/** Gives the pods' network an address, and the name that address. */
async function worker(address: string) {
  inNamespace("ip", "addr", "add", `${address}/24`, "dev", "pods");
  writeFileSync(place("address"), address);
  const pod = serve(
    ...["--role", "worker", "--name", "first", "--host", address, "--port", `${PORT}`],
  );
  expect(await pod.says("worker first ready"), pod.said()).toBe(true);
  return pod;
}

beforeAll(async () => {
  if (!isHere) return;
  writeFileSync(place("resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1\n");
  writeFileSync(place("name-server.mjs"), NAME_SERVER);
  const replicas = ["detect-1", "detect-2", "plate-1"];
  const workers = [{ name: "first", replicas, address: `${NAME}:${PORT}` }];
  const scenario = { document: twoTasks(), inputs: NO_INPUTS, seed: "1/0" };
  const text = configurationText({ ...scenario, backend: "replay", workers });
  writeFileSync(place("tandem.json"), text);
  const more = { days: 1, force: false, newAuthority: false };
  await writeCertificates(place("certs"), { hosts: [NAME], ...more });
  holder = spawn("unshare", ["--net", "--mount", "sh", "-c", NAMESPACE], { cwd: folder });
  await new Promise((resolve) => holder.stdout?.once("data", resolve));
  const names = inNamespace(process.execPath, "name-server.mjs");
  expect(await names.says("bound"), names.said()).toBe(true);
});

afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
  if (isHere) holder.kill("SIGKILL");
});

test.skipIf(!needs("a network namespace (root, unshare, ip)", isHere)).each([
  { old: "refuses connections", first: "10.9.0.2", second: "10.9.0.3", isCut: false },
  { old: "answers nothing", first: "10.9.0.4", second: "10.9.0.5", isCut: true },
])(
  "a gateway finds it within seconds, while its old address $old",
  async ({ first, second, isCut }) => {
    const before = await worker(first);
    const gateway = serve("--role", "gateway", "--port", "8000");
    const joined = () => gateway.said().match(/replica joined/g)?.length ?? 0;
    expect(await until(() => joined() === 3, PATIENCE_MS), gateway.said()).toBe(true);
    before.kill();
    // The address stays for a while, as that of a pod that ends.
    expect(await gateway.says("replica lost")).toBe(true);
    if (isCut) inNamespace("ip", "addr", "del", `${first}/24`, "dev", "pods");
    const after = await worker(second);
    const readyMs = performance.now();
    expect(await until(() => joined() === 6, PATIENCE_MS), gateway.said()).toBe(true);
    const seconds = (performance.now() - readyMs) / 1000;
    console.log(`joined ${seconds.toFixed(1)} s after it was ready`);
    // grpc-js alone would ask for the name again after 30 s.
    expect(seconds).toBeLessThan(10);
    gateway.kill();
    after.kill();
  },
);
