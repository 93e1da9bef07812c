/** A gateway's connection for its link to a worker. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type ClientAccess, httpsOptions } from "../security/client-access.ts";
import { LINK_GREETING } from "./link-greeting.ts";

/** Nothing is known to have passed through the network for so long: it is asked. */
const KEEP_ALIVE_MS = 10_000;

/** `address` is host:port. What is written leaves once it is connected. */
export function openLink(address: string, access: ClientAccess): Socket {
  const { hostname, port } = new URL(`tcp://${address}`);
  const to = {
    host: hostname.replace(/^\[|\]$/g, ""),
    port: Number(port),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  const socket = access.tls === null ? connect(to) : connectTls({ ...to, ...httpsOptions(access) });
  socket.write(LINK_GREETING);
  return socket;
}
