import { expect, test } from "vitest";
import { doctor as examine, nodeFinding } from "../library/doctor.ts";
import { doctorText, requireEssential } from "./inspect.ts";

test.each([
  ["v18.20.8", "missing"],
  ["v20.18.3", "missing"],
  ["v20.19.0", "ok"],
  ["v24.1.0", "ok"],
])("Node %s is %s", (version, state) => {
  const finding = nodeFinding(version);
  expect(finding.state).toBe(state);
  if (state === "ok") expect(() => requireEssential([finding])).not.toThrow();
  else {
    expect(() => requireEssential([finding])).toThrow(
      expect.objectContaining({ code: "not-found", hint: expect.stringContaining("20.19") }),
    );
  }
});

test("what is not here is named with its purpose and the way out, and ends nothing", async () => {
  const { PATH } = process.env;
  process.env.PATH = "/nowhere";
  const checks = await examine().finally(() => {
    process.env.PATH = PATH;
  });
  const state = Object.fromEntries(checks.map((check) => [check.name, check.state]));
  expect(state).toMatchObject({ Node: "ok", ports: "ok", Docker: "absent", ssh: "absent" });
  expect(state).toMatchObject({ "ONNX Runtime": "ok", Parquet: "ok", pictures: "ok" });
  expect(Object.keys(state), "no part twice").toHaveLength(checks.length);
  for (const { name, state, found, purpose, hint } of checks) {
    expect(found, name).not.toBe("");
    expect(purpose, name).not.toBe("");
    expect(hint === undefined, name).toBe(state === "ok");
  }
  expect(() => requireEssential(checks)).not.toThrow();
  const text = doctorText(checks, 100);
  for (const { name, hint } of checks)
    if (hint !== undefined) expect(text).toContain(`${name}: ${hint}`);
});
