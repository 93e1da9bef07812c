/** Command lines of the OpenSSH client, and what the scripts that run there say. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../checks/support/temporary-folder.test-support.ts";
import { shellWord } from "../../../scenario/inventory/command-words.ts";
import { coresIn, readInventory } from "../../../scenario/inventory/read-inventory.ts";
import {
  factsOf,
  LEFTOVER_SCRIPT,
  leftoverPids,
  PROBE_SCRIPT,
  remoteCommand,
  remoteHost,
  sshFault,
  tunnelCommand,
  VERIFY_SCRIPT,
  wrongFilesOf,
} from "./ssh-command.ts";

function words(text: string): readonly string[] {
  return remoteHost(readInventory(`kind: ssh\n${text}`, "/lab/i.yaml"), "a").ssh;
}

describe("ssh is called", () => {
  test("without questions, with the user's own configuration", () => {
    const plain = words("machines: { a: {} }");
    expect(plain.slice(0, 4)).toEqual(["ssh", "-T", "-a", "-x"]);
    expect(plain).toContain("BatchMode=yes");
    expect(plain.join(" ")).not.toMatch(/ -[FlpJ] |StrictHostKeyChecking|UserKnownHosts/);
  });

  test("with what the inventory says, whose paths start at its folder", () => {
    const given = words(
      "config: ssh/config\nconnectTimeoutS: 2.5\nmachines: { a: { user: u, port: 2222, jump: b } }",
    ).join(" ");
    for (const part of ["-F /lab/ssh/config", "-l u", "-p 2222", "-J b", "ConnectTimeout=3"]) {
      expect(given).toContain(part);
    }
  });

  test("to run a command, without the forwards of the configuration; or to forward a socket", () => {
    expect(remoteCommand({ ssh: ["ssh"], host: "h" }, ["env", "A=b c"]).slice(1)).toEqual([
      ...["-o", "ClearAllForwardings=yes", "h", "env 'A=b c'"],
    ]);
    const tunnel = tunnelCommand({ ssh: ["ssh"], host: "h" }, "/tmp/s", 90).join(" ");
    expect(tunnel).toMatch(/ExitOnForwardFailure=no .*-L \/tmp\/s:127.0.0.1:90 h exec cat$/);
  });

  test("words reach a shell as they are", () => {
    const unit = fc.constantFrom(..."ab'\"\\$`!*?[](){}<>|&;#~% \t\nä漢");
    // One shell for all: to start one takes longer than many words.
    const given = fc.sample(fc.string({ unit }), { numRuns: 200, seed: 1 });
    const script = `printf '%s\\0' ${given.map(shellWord).join(" ")}`;
    const { stdout } = spawnSync("sh", ["-c", script], { encoding: "utf8" });
    expect(stdout.split("\0").slice(0, -1)).toEqual(given);
  });

  test.each([
    ["u@h: Permission denied (publickey).", "it refuses our key"],
    ["Host key verification failed.", "its host key is not known"],
    ["ssh: connect to host h port 22: Connection timed out", "it does not answer"],
    ["ssh: connect to host h port 22: Connection refused", "it does not answer"],
    ["ssh: Could not resolve hostname h: Name or service not known", "cannot be resolved"],
    ["something new", "SSH failed"],
  ])("%s", (said, meaning) => {
    const box = { name: "box1", host: "h", jump: undefined, ssh: [] };
    const fault = sshFault(box, `banner\n${said}\n`);
    expect(fault).toMatchObject({
      code: "cluster-failure",
      message: expect.stringContaining(meaning),
    });
    expect(fault.message).toContain(said);
    expect(fault.hint).not.toContain("HOST");
  });
});

test("a jump host that is not there is told from the machine behind it", () => {
  const box = { name: "box1", host: "h", jump: "u@b", ssh: [] };
  const closed = "kex_exchange_identification: Connection closed by remote host";
  const lost = "ssh: Could not resolve hostname b.x: Name or service not known";
  expect(sshFault(box, `${lost}\n${closed}\n`)).toMatchObject({
    message: `box1: its jump host cannot be reached: ${lost}`,
    hint: expect.stringContaining("`ssh u@b true`"),
  });
  const configured = { ...box, ssh: ["ssh", "-F", "/lab/ssh config", "-o", "BatchMode=yes"] };
  expect(sshFault(configured, `${lost}\n`).hint).toContain("`ssh -F '/lab/ssh config' u@b true`");
  const behind = "channel 0: open failed: connect failed: No route to host";
  expect(sshFault(box, `${behind}\n${closed}\n`).message).toContain("it does not answer: channel");
});

describe("the scripts", () => {
  const folder = temporaryFolder("verify");
  const run = (program: string, given: readonly string[], input: string) =>
    spawnSync(program, given, { input, encoding: "utf8" }).stdout;

  test("find what a machine has", () => {
    const output = run("sh", ["-s", "-", "", "/no/such/cache"], PROBE_SCRIPT);
    const facts = factsOf(`a banner\n${output}`);
    expect(facts).toMatchObject({ system: expect.stringMatching(/^Linux \w+$/) });
    expect(facts?.nodeVersion).toMatch(/^\d+\.\d+\.\d+$/);
    expect(facts?.processors).toBeGreaterThan(0);
    expect(facts?.freeBytes).toBeGreaterThan(0);
    expect(coresIn(facts?.online ?? "")).toContain(0);
    expect(factsOf(output.slice(0, output.indexOf("tandem: end")))).toBeNull();
    expect(factsOf(run("sh", ["-s", "-", "/bin/false", "x"], PROBE_SCRIPT))?.nodeVersion).toBe("");
    expect(coresIn("0-2,7")).toEqual([0, 1, 2, 7]);
  });

  test("put a folder in its place only if it is whole, and mend one that is not", async () => {
    const { createHash } = await import("node:crypto");
    const sum = (text: string): string => createHash("sha256").update(text).digest("hex");
    const manifest = JSON.stringify({ sums: { "x.js": sum("x") } });
    const digest = sum(manifest).slice(0, 32);
    const place = join(folder, "place");
    const send = (content: string): void => {
      const part = mkdtempSync(join(folder, "part-"));
      writeFileSync(join(part, "x.js"), content);
      writeFileSync(join(part, "manifest.json"), manifest);
      parts.push(part);
    };
    const parts: string[] = [];
    const verify = (sent: string) =>
      wrongFilesOf(
        run(process.execPath, ["-", sent, place, "manifest.json", digest], VERIFY_SCRIPT),
      );
    expect(verify("")).toEqual(["nothing"]);
    send("y");
    expect(verify(parts[0])).toEqual(["x.js"]);
    expect(readdirSync(folder)).toEqual([]);
    send("x");
    expect(verify(parts[1])).toEqual([]);
    expect(readdirSync(folder)).toEqual(["place"]);
    writeFileSync(join(place, "x.js"), "z");
    expect(verify("")).toEqual(["x.js"]);
    send("x");
    expect(verify(parts[2])).toEqual([]);
    expect(verify("")).toEqual([]);

    // Machines with one home folder mend it at the same time.
    writeFileSync(join(place, "x.js"), "z");
    for (let i = 3; i < 6; i++) send("x");
    const script = join(folder, "verify.cjs");
    writeFileSync(script, VERIFY_SCRIPT);
    const given = parts
      .slice(3)
      .map((part) => `node ${script} ${part} ${place} manifest.json ${digest} &`);
    const { stdout } = spawnSync("sh", ["-c", `${given.join(" ")} wait`], { encoding: "utf8" });
    expect(stdout.match(/tandem: wrong \[\]/g)).toHaveLength(3);
    expect(verify("")).toEqual([]);
    rmSync(script);
    expect(readdirSync(folder)).toEqual(["place"]);
  });

  test("find the processes of a deployment, and of no other", () => {
    expect(leftoverPids(run("sh", ["-s", "-", "no-such-id", "look"], LEFTOVER_SCRIPT))).toEqual([]);
    expect(leftoverPids("tandem: process 7\n")).toBeNull();
  });
});
