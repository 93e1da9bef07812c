/**
 * Answers that come together leave together. grpc-js hands on a stream's next message once the one
 * before has left, a turn of the event loop each: a sixth of what a request on a busy stream costs.
 */
import type { ServerHttp2Stream } from "node:http2";
import type { ServerInterceptingCallInterface } from "@grpc/grpc-js";

type Send = ServerInterceptingCallInterface["sendMessage"];

/** With this much waiting for a caller, the next message waits for the one before as ever. */
const AHEAD_BYTES = 64 * 1024;

/**
 * `send`, for a call of many answers whose HTTP/2 stream is `stream`: it takes messages ahead of those
 * that have not left. `left` is called as each leaves.
 */
export function sendAhead(send: Send, stream: ServerHttp2Stream, left: () => void): Send {
  return (message, taken) => {
    if (stream.writableLength < AHEAD_BYTES) {
      send(message, left);
      taken();
      return;
    }
    send(message, () => {
      left();
      taken();
    });
  };
}
