/** Command lines of the OpenSSH client: its options, and words that a login shell leaves as they are. */
import { dirname, resolve } from "node:path";
import type { InventoryOf } from "../../../core/inventory/schema.ts";
import { shellWord } from "../../../core/shell-word.ts";

export type SshInventory = InventoryOf<"ssh">;
type SshMachine = SshInventory["machines"][string];

/** Connections without an answer to so many signs of life end. */
const SIGNS = 3;

/**
 * `ssh` and the options for a machine, before the host. The user's own configuration holds, but for settings
 * that would ask a question or share a connection: sshd allows ten sessions on one.
 */
export function sshWords(
  { config, connectTimeoutS, aliveIntervalS }: SshInventory,
  { user, port, jump }: SshMachine,
  inventoryFile: string,
): readonly string[] {
  const settings = [
    ...["BatchMode=yes", `ConnectTimeout=${Math.ceil(connectTimeoutS)}`],
    ...[`ServerAliveInterval=${Math.ceil(aliveIntervalS)}`, `ServerAliveCountMax=${SIGNS}`],
    ...["ControlMaster=no", "ControlPath=none", "PermitLocalCommand=no"],
    ...["RemoteCommand=none", "LogLevel=ERROR"],
  ];
  return [
    ...["ssh", "-T", "-a", "-x"],
    ...(config === undefined ? [] : ["-F", resolve(dirname(inventoryFile), config)]),
    ...settings.flatMap((setting) => ["-o", setting]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(jump === undefined ? [] : ["-J", jump]),
  ];
}

/** As the gateway reaches the machine's workers without a tunnel. */
export function addressOf({ machines }: SshInventory, name: string): string {
  const { address, host = name } = machines[name];
  return address ?? host;
}

/** A command there. Its words reach it as they are; csh and fish read them alike but for line breaks and `!`. */
export function remoteCommand(
  ssh: readonly string[],
  host: string,
  words: readonly string[],
): readonly string[] {
  return [...ssh, "-o", "ClearAllForwardings=yes", host, words.map(shellWord).join(" ")];
}

/**
 * Forwards a socket here to a port of the machine's loopback; others of the user's may be taken already. It also runs
 * `cat`, because sshd sets TCP_NODELAY only for a connection with a session (session.c, packet.c): without it, an answer
 * after another waited up to 40 ms for an acknowledgement.
 */
export function tunnelCommand(
  ssh: readonly string[],
  host: string,
  socket: string,
  port: number,
): readonly string[] {
  return [
    ...ssh,
    ...["-o", "ExitOnForwardFailure=no", "-o", "StreamLocalBindUnlink=yes"],
    ...["-L", `${socket}:127.0.0.1:${port}`, host, "exec cat"],
  ];
}
