/**
 * The user's npm settings, as pacote takes them: registry, credentials, proxy, certificates, cache.
 */
import { createRequire } from "node:module";
import { dirname } from "node:path";
import Config from "@npmcli/config";

// npm's own list of settings; it comes without types.
const npmSettings: Pick<Config.Options, "definitions" | "shorthands" | "flatten"> = createRequire(
  import.meta.url,
)("@npmcli/config/lib/definitions");

/** In milliseconds; short, so that an unreachable registry is reported while the user waits. */
const RETRY = { retries: 2, factor: 2, minTimeout: 500, maxTimeout: 2_000 };
const IDLE_TIMEOUT_MS = 60_000;

/**
 * Reads what `npm` itself would read: the environment, then the project's, user's and global npmrc.
 */
export async function npmOptions(env: NodeJS.ProcessEnv): Promise<Record<string, unknown>> {
  const config = new Config({
    ...npmSettings,
    // Only npm's own installation has built-in settings; any folder without an npmrc says "none".
    npmPath: dirname(process.execPath),
    argv: [process.execPath, "npm"],
    env: { ...env },
  });
  await config.load();
  return { ...config.flat, retry: RETRY, timeout: IDLE_TIMEOUT_MS };
}
