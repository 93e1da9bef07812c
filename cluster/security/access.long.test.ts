/** Certificates that change on disk while a server runs. */
import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { SecurityFiles } from "./access.ts";
import { contextOf, type TlsIdentity, writeCertificates } from "./tls.ts";

const OPTIONS = { hosts: ["localhost"], days: 1, force: false, newAuthority: false };
const root = temporaryFolder("rotation");

test("a pair whose key comes later than its certificate is taken once it is whole", async () => {
  const [folder, next] = [join(root, "now"), join(root, "next")];
  await writeCertificates(folder, OPTIONS);
  await writeCertificates(next, OPTIONS);
  const files = new SecurityFiles({ certificates: folder, tokens: null }, "gateway");
  const first = (files.identity as TlsIdentity).cert;
  const server = createServer(contextOf(files.identity as TlsIdentity));
  files.rotateIn(server);
  const take = async (file: string) => {
    copyFileSync(join(next, file), join(folder, file));
    await new Promise((resolve) => setTimeout(resolve, 3000));
  };
  try {
    await take("gateway.crt");
    expect(files.identity?.cert).toBe(first);
    await take("gateway.key");
    expect(files.identity?.cert).toBe(readFileSync(join(next, "gateway.crt"), "utf8"));
  } finally {
    files.close();
  }
});
