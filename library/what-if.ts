/** "What if" for reports: one fragment of HTML with the simulator and a scenario inside. */
import { readFileSync } from "node:fs";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { scenarioSource } from "./scenario-source.ts";

/** Tests run the sources, whose built parts lie under dist/. */
const FRAGMENT = new URL(
  import.meta.url.endsWith(".ts") ? "../dist/what-if.html" : "../what-if.html",
  import.meta.url,
);

/** Longer scenarios, with traces of hours, would make a report of many megabytes. */
const MOST_CHARACTERS = 2_000_000;

/**
 * The fragment, for the body of a page: it starts when it comes into view, fetches nothing, and needs
 * `script-src 'unsafe-inline'; style-src 'unsafe-inline'; worker-src blob:`. Null where the scenario is
 * too long, or has a scheduler in a file, which runs in Node alone.
 */
export function whatIfFragment(loaded: LoadedScenario): string | null {
  if (loaded.schedulerFiles !== undefined) return null;
  // No `<` closes the element before its end.
  const json = JSON.stringify(scenarioSource(loaded)).replaceAll("<", "\\u003c");
  if (json.length > MOST_CHARACTERS) return null;
  const scenario = `<script type="application/json" id="what-if-scenario">${json}</script>`;
  return `${scenario}\n${readFileSync(FRAGMENT, "utf8")}`;
}
