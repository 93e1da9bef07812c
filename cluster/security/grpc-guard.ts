/**
 * What every gRPC call passes before its handler, whatever its service: may the caller, does the
 * request come in time, and has a refusal by grpc-js itself the status that it should have.
 */
import type { ServerHttp2Stream } from "node:http2";
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
  status,
} from "@grpc/grpc-js";
import { assert, Fault } from "../../core/fault.ts";
import { statusOf } from "../protocol/status.ts";
import { isOpen, refusal } from "./access.ts";
import type { CallerBounds, GrpcAccess } from "./grpc-access.ts";
import type { PeerRoles } from "./peer-roles.ts";
import { SlowCalls } from "./slow-calls.ts";

export interface GrpcGuard {
  readonly interceptor: ServerInterceptor;
  close(): void;
}

type MethodDefinition = Parameters<ServerInterceptor>[0];
type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** It must be a server's first interceptor. */
export function grpcGuard({ rules, roleOf, held }: GrpcAccess, peers: PeerRoles): GrpcGuard {
  const slow = held === null ? null : new SlowCalls(held.times);
  const interceptor: ServerInterceptor = (method, call) => {
    mendStatuses(call);
    const certificate = peers.caller(call);
    const listener: ServerListener = {};
    if (!isOpen(rules())) {
      listener.onReceiveMetadata = (metadata, next) => {
        const refused = refusal(rules(), roleOf(method.path), {
          authorization: metadata.get("authorization")[0]?.toString() ?? null,
          certificate,
        });
        if (refused === null) next(metadata);
        else call.sendStatus(asStatus(refused));
      };
    }
    if (held !== null && slow !== null) holdTo(held, slow, call, method, listener);
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
  return { interceptor, close: () => slow?.close() };
}

/** Time limits on what is to come and on reading answers, and the bound on what is coming. */
function holdTo(
  { times, incoming }: CallerBounds,
  slow: SlowCalls,
  call: ServerInterceptingCallInterface,
  { requestStream: isStream }: MethodDefinition,
  listener: ServerListener,
): void {
  const limitMs = isStream ? times.streamIdleMs : times.requestMs;
  const awaited = slow.expect(limitMs, () => call.sendStatus(asStatus(late(limitMs))));
  const share = incoming.share();
  const stream = streamOf(call);
  stream.on("data", (bytes: Uint8Array) => {
    try {
      share.take(bytes.length);
    } catch (fault) {
      call.sendStatus(asStatus(fault as Fault));
    }
  });
  const watched = slow.watch(stream);
  const send = call.sendMessage.bind(call);
  call.sendMessage = (message, sent) => {
    send(message, () => {
      watched.left++;
      sent();
    });
  };
  stream.once("close", () => {
    share.giveBack();
    slow.forget(watched);
  });
  listener.onReceiveMessage = (message, next) => {
    share.giveBack();
    if (isStream) slow.heard(awaited);
    else slow.done(awaited);
    next(message);
  };
  listener.onReceiveHalfClose = (next) => {
    slow.done(awaited);
    next();
  };
  listener.onCancel = () => slow.done(awaited);
}

/** The call's HTTP/2 stream, which grpc-js has no public name for: it tells whole messages only. */
function streamOf(call: ServerInterceptingCallInterface): ServerHttp2Stream {
  const { stream } = call as unknown as { readonly stream?: ServerHttp2Stream };
  assert(stream !== undefined, "a call of grpc-js has its HTTP/2 stream");
  return stream;
}

/**
 * grpc-js calls what a caller got wrong INTERNAL, which here is a bug's. It ends calls itself by
 * this method of its innermost call, past every interceptor.
 */
function mendStatuses(call: ServerInterceptingCallInterface): void {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (given) => send(mended(given));
}

const CALLERS_FAULT =
  /^(Error deserializing request|Failed to decompress message|Invalid grpc-timeout value)/;

function mended(given: Status): Status {
  if (given.code !== status.INTERNAL || !CALLERS_FAULT.test(given.details ?? "")) return given;
  const said = (given.details ?? "").replace("Error deserializing request", MALFORMED);
  return asStatus(new Fault("invalid-input", said));
}

const MALFORMED = "the message is malformed, or has more parts than allowed";

function late(limitMs: number): Fault {
  return new Fault("deadline-exceeded", `nothing was received for ${limitMs / 1000} s`);
}

function asStatus(fault: Fault): Status {
  return statusOf(fault) as Status;
}
