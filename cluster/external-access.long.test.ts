/** A model on a Tandem that asks for credentials: what the scenario names is shown, and never told. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { chain, outputsOf, sendPayload } from "./backends.test-support.ts";
import { withDeployment } from "./deployment.test-support.ts";
import { createToken } from "./security/access.ts";
import { writeCertificates } from "./security/tls.ts";

const folder = temporaryFolder("external");

describe("a model on another server with TLS", () => {
  it("is reached with a token from the environment or a certificate, and not without", async () => {
    const certs = join(folder, "certs");
    const logs = join(folder, "logs");
    await writeCertificates(certs, { hosts: [], days: 1, force: false, newAuthority: false });
    const { token, line } = createToken("infer", "the worker");
    writeFileSync(join(folder, "tokens.txt"), line);
    const secured = { certificates: certs, tokens: join(folder, "tokens.txt") };
    const fingerprints = chain({ only: { name: "fingerprint" } });
    process.env.TANDEM_TEST_TOKEN = token;
    const options = { inputs: { profiles: {}, folder }, backend: "external" } as const;
    await withDeployment({ document: fingerprints, backend: "onnx", ...secured }, async (there) => {
      const at = { address: there.gateway.grpc, model: "p" };
      const ca = "certs/ca.crt";
      const pair = { certificate: "certs/client.crt", key: "certs/client.key" };
      const byToken = { ...at, tls: { ca }, token: { environment: "TANDEM_TEST_TOKEN" } };
      const byCertificate = { ...at, tls: { ca, ...pair, serverName: "localhost" } };
      const document = chain({
        only: { external: byToken },
        next: { external: byCertificate },
      });
      await withDeployment({ ...options, document, directory: logs }, async (here) => {
        const answer = outputsOf(await sendPayload(here.gateway.grpc, "p", "hello"));
        expect(answer).toMatchObject({ only: { value: { only: {} } }, next: { value: {} } });
      });
      const refused = async (external: object): Promise<string> => {
        const wrong = chain({ only: { external } });
        const started = withDeployment({ ...options, document: wrong }, async () => null);
        return started.then(() => "it was let in", String);
      };
      expect(await refused({ ...at, tls: { ca } })).toMatch(/did not load.*credentials are needed/);
      expect(
        await refused({ ...byCertificate, tls: { ca, ...pair, serverName: "other" } }),
      ).toMatch(/did not load/);
    });
    const told = readdirSync(logs).map((log) => readFileSync(join(logs, log), "utf8"));
    expect(told.join("")).not.toContain(token);
  });
});
