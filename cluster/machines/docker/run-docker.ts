/** Runs one command of the Docker client and explains its failures. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../../core/fault.ts";
import { type KnownFailure, runTool, toolFault } from "../run-tool.ts";

export interface DockerHost {
  /** The inventory's name of the machine. */
  readonly name: string;
  /** `docker` and its options. */
  readonly docker: readonly string[];
}

const MISSING = "install a Docker client, e.g. docker.io";
const TIMEOUT_MS = 60_000;
const REMOVAL_MS = 10_000;
const TRY_MS = 50;

const KNOWN_FAILURES: readonly KnownFailure[] = [
  [
    /permission denied.*docker.*sock/i,
    "this user may not use its Docker daemon",
    "add the user to the group `docker`, or use a rootless daemon",
  ],
  [
    /Cannot connect to the Docker daemon|error during connect|connection refused|no such host/i,
    "its Docker daemon does not answer",
    "start it, or name another by `docker:` in the inventory or DOCKER_HOST; `docker info` must work",
  ],
  [
    /No such image/i,
    "it has no such image",
    "`tandem deploy compose SCENARIO` prints the commands that build images",
  ],
];

/** Its standard output. Rejects with a Fault that names the machine and the next step. */
export async function runDocker(
  { name, docker }: DockerHost,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const options = { missing: MISSING, timeoutMs: TIMEOUT_MS, signal };
  const { stdout, stderr, code } = await runTool([...docker, ...words], options);
  if (code === 0) return stdout;
  const said = stderr.trim() || "it did not answer in a minute";
  const hint = `\`${docker.join(" ")} ${words[0]}\` must work`;
  throw toolFault(name, said, KNOWN_FAILURES, ["Docker failed", hint]);
}

/**
 * Resolves once none of the containers is there. One that has ended may be on its way out already, which the
 * client calls a failure. Rejects as runDocker does.
 */
export async function removeContainers(host: DockerHost, names: readonly string[]): Promise<void> {
  const giveUpAt = Date.now() + REMOVAL_MS;
  const remove = async (name: string): Promise<void> => {
    for (;;) {
      try {
        await runDocker(host, ["rm", "--force", name]);
        return;
      } catch (error) {
        const { message } = error as Fault;
        if (/no such container/i.test(message)) return;
        if (!/already in progress/i.test(message) || Date.now() > giveUpAt) throw error;
        await sleep(TRY_MS);
      }
    }
  };
  await Promise.all(names.map(remove));
}
