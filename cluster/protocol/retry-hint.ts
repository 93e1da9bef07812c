/**
 * When a refused call may be tried again, as trailers: gRPC's own pushback for clients that retry
 * by themselves (gRFC A6), HTTP's retry-after in whole seconds, and google.rpc.RetryInfo inside
 * google.rpc.Status for those that read details.
 */
import type { Metadata } from "@grpc/grpc-js";
import protobuf from "protobufjs";

export const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";
const RETRY_AFTER_TRAILER = "retry-after";
const DETAILS_TRAILER = "grpc-status-details-bin";
const RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo";

export function addRetryHint(
  metadata: Metadata,
  code: number,
  message: string,
  afterMs: number,
): void {
  metadata.set(PUSHBACK_TRAILER, String(Math.ceil(afterMs)));
  metadata.set(RETRY_AFTER_TRAILER, String(retryAfterS(afterMs)));
  metadata.set(DETAILS_TRAILER, statusDetails(code, message, afterMs));
}

/** Whole seconds, at least one, as HTTP's header has them. */
export function retryAfterS(afterMs: number): number {
  return Math.max(1, Math.ceil(afterMs / 1000));
}

/** google.rpc.Status { code = 1, message = 2, details = 3: [Any { type_url = 1, value = 2 }] }. */
function statusDetails(code: number, message: string, afterMs: number): Buffer {
  const seconds = Math.floor(afterMs / 1000);
  const nanos = Math.round((afterMs % 1000) * 1e6);
  const status = protobuf.Writer.create();
  status.uint32(tag(1, VARINT)).int32(code).uint32(tag(2, LENGTH)).string(message);
  status.uint32(tag(3, LENGTH)).fork();
  status.uint32(tag(1, LENGTH)).string(RETRY_INFO);
  // RetryInfo { retry_delay = 1: Duration { seconds = 1, nanos = 2 } }
  status.uint32(tag(2, LENGTH)).fork().uint32(tag(1, LENGTH)).fork();
  status.uint32(tag(1, VARINT)).int64(seconds).uint32(tag(2, VARINT)).int32(nanos);
  return status.ldelim().ldelim().ldelim().finish() as Buffer;
}

const VARINT = 0;
const LENGTH = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}
