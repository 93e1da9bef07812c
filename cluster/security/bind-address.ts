/** Addresses of servers: without TLS they listen on loopback only. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Fault } from "../../core/fault.ts";

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/;
const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/** Throws Fault("usage") beyond loopback without TLS, and for a name that cannot be resolved. */
export async function requireSafeBinding(host: string, tls: boolean): Promise<void> {
  const addresses = isIP(host) === 0 ? await resolved(host) : [host];
  if (tls || addresses.every(isLoopback)) return;
  throw new Fault("usage", `${host} can be reached from other machines, and there is no TLS`, {
    hint: `write certificates with \`tandem cluster certs DIR --host ${nameFor(host)}\` and give --certs DIR, or leave --host at 127.0.0.1`,
  });
}

/** The address of a server for clients on its own machine. */
export function reachableHost(host: string): string {
  return WILDCARDS[host] ?? host;
}

/** host:port, with the brackets that an IPv6 address needs. */
export function authority(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

async function resolved(host: string): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new Fault("usage", `--host ${JSON.stringify(host)} is no address of this machine`, {
      hint: "give an address, or a name that resolves to one",
      cause,
    });
  }
}

function nameFor(host: string): string {
  return host in WILDCARDS ? "NAME-OF-THIS-MACHINE" : host;
}

/** The failure of a server that got no port, with the next step. */
export function cannotListen(
  host: string,
  port: number,
  cause: unknown,
  hint = "give another port, or end the program that has this one",
): Fault {
  const { message } = cause as Error;
  return new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${message}`, {
    hint,
    cause,
  });
}
