import { networkInterfaces } from "node:os";
import { describe, expect, it } from "vitest";
import { authority, reachableHost, requireSafeBinding } from "./bind-address.ts";

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
