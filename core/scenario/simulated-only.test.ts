import { expect, test } from "vitest";
import { Fault } from "../fault.ts";
import { lineWith, profileText, readerOf, replaced, SMALL } from "./issues.test-support.ts";
import { parseScenario } from "./parse.ts";
import { refuseUnreal } from "./simulated-only.ts";

const FILES = { "dir/profiles/reader.json": profileText(1) };
const load = (text: string) => parseScenario(text, "dir/good.yaml", readerOf(FILES));

test("a real run refuses clients that try again and input sizes, each with its line", () => {
  const clients = "  durationS: 60\n  inputSize: 5\n  client: { timeoutMs: 9 }";
  const scaled = "models:\n  detector:\n    inputScaling: { reference: 5 }";
  const text = replaced(
    replaced(SMALL, "  durationS: 60", clients),
    "models:\n  detector:",
    scaled,
  );
  const loaded = load(text);
  let refused: unknown;
  try {
    refuseUnreal(loaded);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(Fault);
  const { code, issues } = refused as Fault;
  expect(code).toBe("invalid-input");
  expect(issues.map(({ path, line }) => [path, line])).toEqual([
    ["workload.client", lineWith(text, "client:")],
    ["models.detector.inputScaling", lineWith(text, "inputScaling:")],
  ]);
});

test("a real run takes a scenario without them, and looks at each configuration that it would run", () => {
  const loaded = load(SMALL);
  expect(() => refuseUnreal(loaded)).not.toThrow();
  const impatient = load(
    replaced(SMALL, "  durationS: 60", "  durationS: 60\n  client: { timeoutMs: 9 }"),
  );
  expect(() => refuseUnreal(loaded, [loaded.document, impatient.document])).toThrow(Fault);
});
