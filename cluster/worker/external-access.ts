/**
 * What a worker shows another server. The scenario names files and variables; what they hold is read
 * here, when the model is opened, and goes nowhere but into the connection.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import type { ClientAccess, ClientTls } from "../security/client-access.ts";

type External = NonNullable<ImplementationDocument["external"]>;

/** Throws Fault("invalid-input") for what cannot be read, by its name and never by its contents. */
export function externalAccess({ tls, token }: External, folder: string): ClientAccess {
  return {
    tls: tls === undefined ? null : tlsOf(tls, folder),
    token: token === undefined ? null : tokenOf(token, folder),
  };
}

function tlsOf(
  { ca, certificate, key, serverName }: NonNullable<External["tls"]>,
  folder: string,
): ClientTls {
  return {
    ca: ca === undefined ? null : read(folder, ca, "authority"),
    pair:
      certificate === undefined || key === undefined
        ? null
        : { cert: read(folder, certificate, "certificate"), key: read(folder, key, "key") },
    server: null,
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/** One word of visible characters: what a header can carry. */
function tokenOf(
  { file, environment = "" }: NonNullable<External["token"]>,
  folder: string,
): string {
  const from = file === undefined ? `the variable ${environment}` : resolve(folder, file);
  const text = file === undefined ? process.env[environment] : read(folder, file, "token");
  const token = text?.trim() ?? "";
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Fault("invalid-input", `${from} holds no token`, {
    hint:
      file === undefined
        ? "set it where `tandem` is started; workers inherit it"
        : "the file holds the token alone, without the word Bearer",
  });
}

function read(folder: string, file: string, what: string): string {
  const path = resolve(folder, file);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Fault("invalid-input", `cannot read the ${what} ${path}: ${code}`, { cause });
  }
}
