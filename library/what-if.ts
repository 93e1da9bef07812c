/** "What if" for reports: one fragment of HTML with the simulator inside. */
import { readFileSync } from "node:fs";

/** Tests run the sources, whose built parts lie under dist/. */
const FRAGMENT = new URL(
  import.meta.url.endsWith(".ts") ? "../dist/what-if.html" : "../what-if.html",
  import.meta.url,
);

/**
 * The fragment, for the body of a page after its place (an element with the id `what-if`) and its scenario
 * (`application/json` in an element with the id `what-if-scenario`: `scenario`, the document, and
 * `inputs`, its data files, as in provenance.json). It starts when its place comes into view, fetches
 * nothing, and needs `script-src 'unsafe-inline'; style-src 'unsafe-inline'; worker-src blob:`.
 */
export function whatIfAsset(): string {
  return readFileSync(FRAGMENT, "utf8");
}
