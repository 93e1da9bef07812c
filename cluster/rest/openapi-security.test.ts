import { expect, test } from "vitest";
import { OPEN } from "../security/access.ts";
import { securityOf, securitySchemes } from "./openapi-security.ts";

test.each([
  [OPEN, []],
  [{ tokens: [], certificates: false }, ["token"]],
  [{ tokens: null, certificates: true }, ["certificate"]],
  [{ tokens: [], certificates: true }, ["token", "certificate"]],
])(
  "under %j, an operation asks for one of what is in use, and a public one for none",
  (rules, names) => {
    expect(Object.keys(securitySchemes(rules))).toEqual(names);
    expect(securityOf("public", rules)).toEqual([]);
    expect(securityOf("infer", rules)).toEqual(names.map((name) => ({ [name]: [] })));
  },
);
