/** The command that repeats a call of the library, for its documents. */
import { repeatCommand } from "./provenance.ts";
import type { Scenario } from "./scenario.ts";

/** `options` by name, as the command takes them; undefined ones are left out. A scenario in memory has no command. */
export function commandFor(
  command: string,
  { file, overrides, document, inMemory }: Scenario,
  options: Readonly<Record<string, unknown>> = {},
): string {
  if (inMemory) return `a program's ${command}: its scenario was no file`;
  const set = Object.entries(overrides).map(([path, value]) => `${path}=${JSON.stringify(value)}`);
  const extra = Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, ...[value].flat().map(String)],
  );
  return repeatCommand(command, { scenario: file, seed: document.run.seed, set, extra });
}
