import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { appendToken, createToken, findToken, parseTokens, readTokens } from "./access.ts";

describe("bearer tokens", () => {
  const folder = temporaryFolder("tokens");

  it("are stored as hashes, each with its role", () => {
    const file = join(folder, "tokens.txt");
    const [infer, admin] = [createToken("infer", "batch job"), createToken("admin", "")];
    appendToken(file, "# who may come in");
    appendToken(file, infer.line);
    appendToken(file, admin.line);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, "utf8")).not.toContain(infer.token);
    const entries = readTokens(file);
    expect(findToken(entries, infer.token)).toMatchObject({ role: "infer", name: "batch job" });
    expect(findToken(entries, admin.token)?.role).toBe("admin");
    expect(findToken(entries, `${admin.token}x`)).toBeNull();
    expect(findToken(entries, "")).toBeNull();
    expect(findToken(entries, entries[0].digest.toString("hex"))).toBeNull();
    expect(findToken(entries, "x".repeat(100_000))).toBeNull();
  });

  it("have 256 random bits each", () => {
    const made = Array.from({ length: 100 }, () => createToken("infer", "").token);
    expect(new Set(made).size).toBe(100);
    for (const token of made) {
      expect(Buffer.from(token.replace("tandem_", ""), "base64url")).toHaveLength(32);
    }
  });

  it("have a file whose errors are reported all at once, with their lines", () => {
    const hash = "a".repeat(64);
    const text = `infer ${hash} fine\nroot ${hash}\n\nadmin secret-in-clear\n`;
    let issues: readonly { line?: number }[] = [];
    try {
      parseTokens(text, "tokens.txt");
    } catch (error) {
      issues = (error as { issues: typeof issues }).issues;
    }
    expect(issues.map(({ line }) => line)).toEqual([2, 4]);
    expect(() => parseTokens("# nobody\n", "t")).toThrow("nobody could get in");
    expect(() => readTokens("/no/such/file")).toThrow("cannot read the tokens file");
  });

  it("have names that cannot add a line", () => {
    expect(() => createToken("infer", `x\nadmin ${"a".repeat(64)}`)).toThrow("name");
  });
});
