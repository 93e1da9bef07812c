import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listening } from "../checks/support/listening.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { writeCertificates } from "../cluster/security/tls.ts";
import { web } from "./cluster.ts";

const certs = temporaryFolder("web-certs");

test("the web app hears a server of our own authority answer where it is told to trust it", async () => {
  await writeCertificates(certs, { hosts: [], days: 1, force: false, newAuthority: false });
  const [key, cert] = ["key", "crt"].map((end) => readFileSync(join(certs, `gateway.${end}`)));
  const server = createServer({ key, cert }, (_, answer) => answer.end("{}"));
  const url = `https://127.0.0.1:${await listening(server)}`;
  const silenceOf = async (options: { readonly certs?: string }) => {
    const app = await web({ url, port: 0, ...options });
    return app.silence.finally(() => app.close());
  };
  expect(await silenceOf({ certs })).toBeNull();
  expect(await silenceOf({})).toContain("certificate");
  server.close();
});

test("the web app is before a server of HTTP alone", async () => {
  const refused = expect.objectContaining({
    code: "usage",
    message: expect.stringMatching(/^--url/),
  });
  for (const url of ["ftp://host", "http://", "host:80?x"]) {
    await expect(web({ url, port: 0 }).then((app) => app.close())).rejects.toEqual(refused);
  }
});
