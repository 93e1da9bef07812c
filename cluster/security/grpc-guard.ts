/**
 * What every gRPC call passes before its handler, whatever its service: may the caller, does the
 * request come in time, and has a refusal by grpc-js itself the status that it should have.
 */
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
  status,
} from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { statusOf } from "../protocol/status.ts";
import { isOpen, refusal } from "./access.ts";
import type { GrpcAccess } from "./grpc-access.ts";
import { LIMITS } from "./limits.ts";
import type { PeerRoles } from "./peer-roles.ts";
import { SlowCalls } from "./slow-calls.ts";

export interface GrpcGuard {
  readonly interceptor: ServerInterceptor;
  close(): void;
}

type Status = Parameters<ServerInterceptingCallInterface["sendStatus"]>[0];

/** It must be a server's first interceptor. */
export function grpcGuard({ rules, roleOf, timed }: GrpcAccess, peers: PeerRoles): GrpcGuard {
  const slow = new SlowCalls();
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
    if (timed) {
      const limitMs = method.requestStream ? LIMITS.streamIdleMs : LIMITS.requestMs;
      slow.expect(call, limitMs, () => call.sendStatus(asStatus(late(limitMs))));
      listener.onReceiveMessage = (message, next) => {
        if (method.requestStream) slow.heard(call);
        else slow.done(call);
        next(message);
      };
      listener.onReceiveHalfClose = (next) => {
        slow.done(call);
        next();
      };
      listener.onCancel = () => slow.done(call);
    }
    return new ServerInterceptingCall(call, { start: (next) => next(listener) });
  };
  return { interceptor, close: () => slow.close() };
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
