/** Addresses without TLS; certificates, and what each end of a connection sees of the other's. */
import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { connect, createServer, type TLSSocket } from "node:tls";
import { beforeAll, describe, expect, it } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { needs } from "../../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { nameOptions } from "./client-access.ts";
import {
  authority,
  CERTIFICATE_ROLES,
  type CertificateRole,
  reachableHost,
  readIdentity,
  requireSafeBinding,
  roleOf,
  writeCertificates,
} from "./tls.ts";

const outside = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .filter(({ internal }) => !internal)
  .map(({ address }) => address);

describe("a server without TLS", () => {
  it.each(["127.0.0.1", "127.8.9.10", "::1", "localhost"])("may listen on %s", async (host) => {
    await expect(requireSafeBinding(host, false)).resolves.toBeUndefined();
  });

  it.each(["0.0.0.0", "::", "10.1.2.3", "::ffff:10.1.2.3", ...outside])(
    "may not listen on %s, and gets a hint; with TLS it may",
    async (host) => {
      await expect(requireSafeBinding(host, false)).rejects.toMatchObject({
        code: "usage",
        hint: expect.stringContaining("tandem cluster certs"),
      });
      await expect(requireSafeBinding(host, true)).resolves.toBeUndefined();
    },
  );

  it("may not listen on a name without an address", async () => {
    // Longer than a part of a name may be: no name server is asked.
    await expect(requireSafeBinding(`${"a".repeat(64)}.invalid`, true)).rejects.toMatchObject({
      code: "usage",
    });
  });
});

describe("an address", () => {
  it("of all interfaces becomes loopback for clients, and IPv6 gets brackets", () => {
    expect(reachableHost("0.0.0.0")).toBe("127.0.0.1");
    expect(reachableHost("::")).toBe("::1");
    expect(reachableHost("10.0.0.5")).toBe("10.0.0.5");
    expect(authority("::1", 80)).toBe("[::1]:80");
    expect(authority("localhost", 80)).toBe("localhost:80");
  });
});

const OPTIONS = { hosts: ["gpu1.example.org", "10.0.0.5"], days: 30, force: false } as const;
const folder = temporaryFolder("certs");

beforeAll(async () => {
  await writeCertificates(folder, { ...OPTIONS, newAuthority: false });
});

function certificate(name: string, from = folder): X509Certificate {
  return new X509Certificate(readFileSync(join(from, `${name}.crt`)));
}

/** Which role each end of a TLS connection sees in the other; null where one refuses. */
async function handshake(
  server: CertificateRole,
  client: CertificateRole | null,
  servername = "localhost",
): Promise<{ seenByServer: CertificateRole | null; seenByClient: CertificateRole | null } | null> {
  const listener = createServer({
    ...readIdentity(folder, server),
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  });
  const seen = new Promise<CertificateRole | null>((resolve, reject) => {
    listener.on("secureConnection", (socket: TLSSocket) => {
      resolve(roleOf(socket.getPeerCertificate()));
      socket.end();
    });
    listener.on("tlsClientError", reject);
  });
  const port = await listening(listener);
  const { ca } = readIdentity(folder, "client");
  const identity = client === null ? { ca } : readIdentity(folder, client);
  const socket = connect({ port, host: "127.0.0.1", servername, ...identity });
  const connected = new Promise<CertificateRole | null>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("secureConnect", () => resolve(roleOf(socket.getPeerCertificate())));
  });
  try {
    const [seenByServer, seenByClient] = await Promise.all([seen, connected]);
    return { seenByServer, seenByClient };
  } catch {
    return null;
  } finally {
    socket.destroy();
    listener.close();
  }
}

describe("the certificates of a deployment", () => {
  it("are signed by their authority, and hold their role and names", () => {
    const ca = certificate("ca");
    expect(ca.ca).toBe(true);
    for (const role of CERTIFICATE_ROLES) {
      const own = certificate(role);
      expect(own.verify(ca.publicKey)).toBe(true);
      expect(own.checkIssued(ca)).toBe(true);
      expect(own.ca).toBe(false);
      expect(roleOf(own.toLegacyObject())).toBe(role);
      expect(own.checkHost("gpu1.example.org") !== undefined).toBe(
        role === "gateway" || role === "worker",
      );
    }
    expect(certificate("gateway").checkIP("10.0.0.5")).toBe("10.0.0.5");
    expect(certificate("gateway").checkIP("10.0.0.6")).toBeUndefined();
    const days = (Date.parse(certificate("client").validTo) - Date.now()) / 86_400_000;
    expect(Math.round(days)).toBe(30);
  });

  it("have keys that only their owner can read", () => {
    const files = readdirSync(folder);
    expect(files.sort()).toEqual(
      ["ca", ...CERTIFICATE_ROLES].flatMap((name) => [`${name}.crt`, `${name}.key`]).sort(),
    );
    for (const file of files.filter((name) => name.endsWith(".key"))) {
      expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600);
    }
  });

  it("prove the roles of both TLS ends", async () => {
    expect(await handshake("worker", "gateway")).toEqual({
      seenByServer: "gateway",
      seenByClient: "worker",
    });
    expect(await handshake("gateway", "client", "gpu1.example.org")).toMatchObject({
      seenByServer: "client",
    });
  });

  it("are refused under another name, and as a server's with a client's role", async () => {
    expect(await handshake("gateway", "client", "other.example.org")).toBeNull();
    expect(await handshake("worker", null)).toBeNull();
    expect(await handshake("client", "gateway")).toBeNull();
    expect(await handshake("worker", "worker")).toBeNull();
  });

  const hasOpenssl = needs("openssl", spawnSync("openssl", ["version"]).status === 0);

  it.skipIf(!hasOpenssl)("satisfy openssl verify", () => {
    const at = (name: string): string => join(folder, name);
    const verify = (purpose: string, name: string): string =>
      execFileSync(
        "openssl",
        ["verify", "-x509_strict", "-CAfile", at("ca.crt"), "-purpose", purpose, at(name)],
        { encoding: "utf8" },
      );
    expect(verify("sslserver", "gateway.crt")).toContain("OK");
    expect(verify("sslclient", "gateway.crt")).toContain("OK");
    expect(verify("sslserver", "worker.crt")).toContain("OK");
    expect(verify("sslclient", "client.crt")).toContain("OK");
    expect(verify("sslclient", "admin.crt")).toContain("OK");
  });

  it("are overwritten only with --force, and the authority only with --new-ca", async () => {
    const other = join(folder, "other");
    const write = (force: boolean, newAuthority = false) =>
      writeCertificates(other, { ...OPTIONS, force, newAuthority });
    const read = (file: string): string => readFileSync(join(other, file), "utf8");
    await write(false);
    const [ca, gateway] = [read("ca.crt"), read("gateway.key")];
    await expect(write(false)).rejects.toMatchObject({ code: "usage" });
    expect(read("gateway.key")).toBe(gateway);
    expect((await write(true)).authority).toBe("kept");
    expect(read("ca.crt")).toBe(ca);
    expect(read("gateway.key")).not.toBe(gateway);
    expect(certificate("worker", other).verify(certificate("ca", other).publicKey)).toBe(true);
    expect((await write(true, true)).authority).toBe("new");
    expect(read("ca.crt")).not.toBe(ca);
    rmSync(join(other, "ca.key"));
    await expect(write(true)).rejects.toThrow("an authority without its key");
  });

  it.each([
    [{ hosts: ["a b"] }, "names and addresses"],
    [{ hosts: ["URI:urn:tandem:role:admin"] }, "names and addresses"],
    [{ days: 0 }, "whole number"],
    [{ newAuthority: true }, "needs --force"],
  ])("refuse %j", async (wrong, message) => {
    const other = join(folder, "never-written");
    const options = { ...OPTIONS, newAuthority: false, ...wrong };
    await expect(writeCertificates(other, options)).rejects.toThrow(message);
    expect(() => statSync(other)).toThrow();
  });
});

it("TLS is given no IP address as the server's name, of which Node warns (DEP0123)", () => {
  const tls = { ca: null, pair: null, server: "gateway" } as const;
  const named = (address: string, own = {}) =>
    nameOptions({ tls: { ...tls, ...own }, token: null }, address)["grpc.ssl_target_name_override"];
  expect(["10.0.0.1:80", "[::1]:80"].map((address) => named(address))).toEqual([
    "localhost",
    "localhost",
  ]);
  expect(named("box.lab:80")).toBeUndefined();
  expect(named("10.0.0.1:80", { serverName: "box" })).toBe("box");
});
