/** Spans that a deployment writes or posts as OTLP JSON. */
import { createServer, type Server } from "node:http";
import { text } from "node:stream/consumers";
import { expect } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";

export interface ReceivedSpan {
  /** Of the resource that the span is from. */
  readonly service: string | undefined;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { key: string; value: Record<string, unknown> }[];
  readonly links?: readonly { traceId: string; spanId: string }[];
}

interface Otlp {
  readonly resourceSpans: readonly {
    readonly resource: {
      readonly attributes: readonly { key: string; value: { stringValue: string } }[];
    };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<ReceivedSpan, "service">[] }[];
  }[];
}

export function spansOf(json: string): readonly ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(json) as Otlp;
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const name = resource.attributes.find(({ key }) => key === "service.name");
    const service = name?.value.stringValue;
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ service, ...span })));
  });
}

/** A collector: keeps what is posted to /v1/traces. */
export async function collector(): Promise<{
  readonly server: Server;
  readonly url: string;
  readonly spans: ReceivedSpan[];
}> {
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    expect([request.method, request.url]).toEqual(["POST", "/v1/traces"]);
    spans.push(...spansOf(await text(request)));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  return { server, url: `http://127.0.0.1:${await listening(server)}`, spans };
}
