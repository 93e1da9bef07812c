/**
 * Runs on the machine of a gateway: connects streams of HTTP/2, which standard input and output carry, to ports of
 * the machine's loopback. `gateway-ports.ts` is the other end.
 */
import { constants, performServerHandshake } from "node:http2";
import { connect } from "node:net";
import { pipeline } from "node:stream";
import { answerPieces, connectedPair, FORWARD_SETTINGS, FORWARDS } from "./gateway-ports.ts";

process.on("SIGINT", () => undefined);
process.stdin.once("end", () => process.exit(0));
process.stdout.on("error", () => process.exit(0));
process.stdout.write(FORWARDS);
const [near, far] = await connectedPair();
process.stdin.pipe(far);
far.pipe(process.stdout);
const session = performServerHandshake(near, { settings: FORWARD_SETTINGS });
answerPieces(process.stdin, session);
session.on("stream", (stream, headers) => {
  const port = Number(String(headers[":authority"]).split(":").at(-1));
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.setNoDelay(true);
  stream.on("error", () => undefined);
  socket.once("error", () => stream.close(constants.NGHTTP2_CONNECT_ERROR));
  socket.once("connect", () => {
    stream.respond({ ":status": 200 });
    pipeline(stream, socket, () => undefined);
    pipeline(socket, stream, () => undefined);
  });
});
session.once("error", () => process.exit(1));
session.once("close", () => process.exit(0));
