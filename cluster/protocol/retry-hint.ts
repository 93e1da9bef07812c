/**
 * When a refused call may be tried again, as trailers: gRPC's own pushback for clients that retry
 * by themselves (gRFC A6), HTTP's retry-after in whole seconds, and google.rpc.RetryInfo inside
 * google.rpc.Status for those that read details.
 */
import type { Metadata } from "@grpc/grpc-js";
import { WireWriter } from "./wire-writer.ts";

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

function statusDetails(code: number, message: string, afterMs: number): Buffer {
  const duration = new WireWriter();
  duration.int64(1, Math.floor(afterMs / 1000));
  duration.int64(2, Math.round((afterMs % 1000) * 1e6));
  const retryInfo = new WireWriter();
  retryInfo.bytes(1, duration.copy());
  const detail = new WireWriter();
  detail.string(1, RETRY_INFO);
  detail.bytes(2, retryInfo.copy());
  const details = new WireWriter();
  details.int64(1, code);
  details.string(2, message);
  details.bytes(3, detail.copy());
  return details.copy();
}
