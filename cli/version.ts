/** The version of this build, from package.json. */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** The manifest is two levels up from dist/cli and one from cli. */
const manifest = require(
  import.meta.url.includes("/dist/") ? "../../package.json" : "../package.json",
);

export const VERSION = (manifest as { version: string }).version;
