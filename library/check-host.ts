/** Whether this host is fit to be measured on. */
import { type HostProbe, probeHost } from "../calibration/host.ts";
import { unlessAborted } from "../cluster/processes/bounded-wait.ts";
import { Fault } from "../core/fault.ts";
import type { Watch } from "./follow.ts";

/** Long enough to see a steal of 1%. */
export const HOST_CHECK_S = 3;

const WAY_OUT =
  "stop other programs or take another machine; until then runs may be set aside, and verdicts be `cannot tell`";

/** Throws Fault("unhealthy") if it is not fit and `strict`; else lines to print, none if it is fit. */
export async function checkHost(strict: boolean, signal: AbortSignal): Promise<readonly string[]> {
  return hostLines(await unlessAborted(signal, probeHost({ seconds: HOST_CHECK_S })), strict);
}

/** Why this host is not fit to be measured on; empty where it is. Watches it for three seconds. */
export async function hostWarnings({ signal }: Pick<Watch, "signal"> = {}) {
  return checkHost(false, signal ?? new AbortController().signal);
}

export function hostLines({ reasons, unknown }: HostProbe, strict: boolean): readonly string[] {
  if (reasons.length === 0) return unknown;
  const message = `this host is not fit to be measured on: ${reasons.join("; ")}`;
  if (strict) throw new Fault("unhealthy", message, { hint: `${WAY_OUT}; or leave out --strict` });
  return [`tandem: warning: ${message}`, `  ${WAY_OUT}`, ...unknown];
}
