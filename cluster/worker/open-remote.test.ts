import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { externalAccess } from "./open-remote.ts";

const folder = temporaryFolder("external");

it("errors in another server's credentials name the file or variable, never its contents", () => {
  const external = { address: "a:1", model: "m", timeoutS: 1 };
  const opened = (more: object) => () => externalAccess({ ...external, ...more }, folder);
  expect(opened({ tls: { ca: "none.crt" } })).toThrow(/the authority .*none\.crt: ENOENT/);
  expect(opened({ token: { environment: "NO_SUCH_TOKEN" } })).toThrow("the variable NO_SUCH_TOKEN");
  writeFileSync(join(folder, "two-words"), "Bearer secret-word");
  expect(opened({ token: { file: "two-words" } })).toThrow(/two-words holds no token$/);
});
