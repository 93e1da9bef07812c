/** Servers of the protocol that are not ours, as what runs a model; each skipped where it is not. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { freePorts } from "../checks/support/listening.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { another, chain, floats, saidBy, sendTensor } from "./backends.test-support.ts";
import { eventually, isRunning, withDeployment } from "./deployment.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";
import { peer } from "./protocol/peers.test-support.ts";
import { writeCertificates } from "./security/tls.ts";

const SCRIPT = new URL("protocol/peers/grpc_server.py", import.meta.url).pathname;
const python = peer("python3", ["-c", "import tritonclient.grpc"], "grpcio with tritonclient");
const mlserver = peer("mlserver", ["--version"], "MLServer");

const folder = temporaryFolder("foreign");
const inputs = { profiles: {}, folder };

/** Starts a server, waits until it serves, ends it whatever happens. */
async function withServer(
  command: readonly string[],
  isUp: () => Promise<boolean>,
  use: (server: ChildProcess) => Promise<void>,
): Promise<void> {
  const [program, ...args] = command;
  const child = spawn(program, args, { cwd: folder, stdio: "ignore" });
  try {
    expect(await eventually(isUp, 40_000)).toBe(true);
    await use(child);
  } finally {
    child.kill("SIGTERM");
    await eventually(() => child.exitCode !== null || child.signalCode !== null, 10_000);
  }
}

describe("a server in Python, by grpcio", () => {
  it.skipIf(python === null)(
    "is run as a command, comes back when it is killed, and ends with its deployment",
    async () => {
      const run = [python as string, SCRIPT, "{port}"];
      const document = chain({ only: { command: { run, model: "reverse" } } });
      let last = 0;
      await withDeployment({ document, inputs, backend: "process" }, async (deployment) => {
        const [said, pid] = await saidBy(deployment, "stressed");
        expect(said).toBe("desserts");
        process.kill(pid, "SIGKILL");
        last = await another(deployment, pid);
      });
      expect(await eventually(() => !isRunning(last))).toBe(true);
    },
  );

  it.skipIf(python === null)(
    "that wants a certificate and a token is shown both, and no log has the token",
    async () => {
      const [certs, logs] = [join(folder, "certs"), join(folder, "logs")];
      await writeCertificates(certs, { hosts: [], days: 1, force: false, newAuthority: false });
      for (const kind of ["crt", "key"]) {
        copyFileSync(join(certs, `gateway.${kind}`), join(certs, `server.${kind}`));
      }
      writeFileSync(join(certs, "token"), "very-secret-token");
      const [port] = await freePorts(1);
      const external = {
        address: `127.0.0.1:${port}`,
        model: "reverse",
        token: { file: "certs/token" },
        tls: { ca: "certs/ca.crt", certificate: "certs/client.crt", key: "certs/client.key" },
      };
      const ca = readFileSync(join(certs, "ca.crt"), "utf8");
      const pair = {
        cert: readFileSync(join(certs, "client.crt"), "utf8"),
        key: readFileSync(join(certs, "client.key"), "utf8"),
      };
      const client = new InferenceClient(external.address, {
        tls: { ca, pair, server: null },
        token: "very-secret-token",
      });
      const isUp = () =>
        client.modelReady({ name: "reverse" }).then(
          () => true,
          () => false,
        );
      await withServer([python as string, SCRIPT, String(port), certs], isUp, async () => {
        client.close();
        const options = { inputs, backend: "external", directory: logs } as const;
        const document = chain({ only: { external } });
        await withDeployment({ ...options, document }, async (deployment) => {
          expect((await saidBy(deployment, "drawer"))[0]).toBe("reward");
          expect(
            JSON.stringify(await (await fetch(`${deployment.gateway.http}/status`)).json()),
          ).not.toContain("very-secret");
        });
        writeFileSync(join(certs, "old"), "an-older-secret");
        const wrong = chain({ only: { external: { ...external, token: { file: "certs/old" } } } });
        const refused = await withDeployment(
          { ...options, document: wrong },
          async () => null,
        ).catch((error: Error) => error);
        expect(String(refused)).toMatch(/model only did not load.*no token that I know/);
        const told =
          String(refused) + readdirSync(logs).map((log) => readFileSync(join(logs, log)));
        expect(told).toContain("no token that I know");
        expect(told).not.toMatch(/very-secret|an-older-secret/);
      });
    },
  );
});

const TRIPLE = `from mlserver import MLModel, types
class Triple(MLModel):
    async def load(self):
        return True
    async def predict(self, payload):
        x = payload.inputs[0]
        data = [3 * v for v in x.data]
        return types.InferenceResponse(model_name=self.name, outputs=[
            types.ResponseOutput(name="y", datatype="FP32", shape=x.shape, data=data)])
`;

describe("MLServer", () => {
  it.skipIf(mlserver === null)("serves a model for a pipeline of tensors", async () => {
    const dir = mkdtempSync(join(folder, "mlserver-"));
    writeFileSync(join(dir, "triple.py"), TRIPLE);
    const tensor = (name: string) => [{ name, datatype: "FP32", shape: [-1, 3] }];
    const model = { inputs: tensor("x"), outputs: tensor("y") };
    const named = { name: "triple", implementation: "triple.Triple", ...model };
    writeFileSync(join(dir, "model-settings.json"), JSON.stringify(named));
    const [http_port, grpc_port, metrics_port] = await freePorts(3);
    const ports = { http_port, grpc_port, metrics_port };
    const settings = { ...ports, host: "127.0.0.1", parallel_workers: 0 };
    writeFileSync(join(dir, "settings.json"), JSON.stringify(settings));
    const address = `127.0.0.1:${grpc_port}`;
    const client = new InferenceClient(address);
    const isUp = () =>
      client.modelReady({ name: "triple" }).then(
        ({ ready }) => ready === true,
        () => false,
      );
    await withServer([mlserver as string, "start", dir], isUp, async () => {
      client.close();
      const document = chain({ only: { external: { address, model: "triple" } } });
      await withDeployment({ document, backend: "external" }, async (deployment) => {
        const answer = await sendTensor(deployment.gateway.grpc, "p", [1, 2, 3, 4, 5, 6]);
        expect(floats(answer, "y")).toEqual([3, 6, 9, 12, 15, 18]);
      });
    });
  });
});
