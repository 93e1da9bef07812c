/** Runs one command of the Docker client and explains its failures. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../../core/fault.ts";

export interface DockerHost {
  /** The inventory's name of the machine. */
  readonly name: string;
  /** `docker` and its options. */
  readonly docker: readonly string[];
}

const TIMEOUT_MS = 60_000;
const REMOVAL_MS = 10_000;
const TRY_MS = 50;

/** What Docker says, by a part of its words, and the next step. */
const KNOWN_FAILURES: readonly (readonly [RegExp, string, string])[] = [
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

/** Its standard output. Rejects with Fault("cluster-failure") that names the machine and the next step. */
export async function runDocker(
  { name, docker }: DockerHost,
  words: readonly string[],
  signal?: AbortSignal,
): Promise<string> {
  const [program, ...rest] = [...docker, ...words];
  const child = spawn(program, rest, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
    ...(signal === undefined ? {} : { signal }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.name === "AbortError") reject(new Fault("interrupted", "interrupted", { cause }));
      const hint = cause.code === "ENOENT" ? "install a Docker client, e.g. docker.io" : "";
      const message = `${name}: cannot run docker: ${cause.message}`;
      reject(new Fault("cluster-failure", message, { hint, cause }));
    });
  });
  if (code === 0) return stdout;
  const last = stderr.trim().split("\n").at(-1) || "it did not answer in a minute";
  const found = KNOWN_FAILURES.find(([pattern]) => pattern.test(stderr));
  throw new Fault("cluster-failure", `${name}: ${found?.[1] ?? "Docker failed"}: ${last}`, {
    hint: found?.[2] ?? `\`${docker.join(" ")} ${words[0]}\` must work`,
  });
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
