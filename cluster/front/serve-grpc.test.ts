import { expect, test } from "vitest";
import type { ModelInferResponse } from "../protocol/messages.ts";
import { streamedParts } from "./serve-grpc.ts";

test("a caller that reads slowly gets every token ahead of the answer", () => {
  const sent: (readonly [tokens: number | undefined, text: string])[] = [];
  let behind = false;
  const parts = streamedParts({
    request: {
      modelName: "answer",
      id: "",
      parameters: { stream: { boolParam: true } },
      inputs: [],
    },
    deadlineMs: undefined,
    onCancelled: () => undefined,
    partly: ({ parameters, rawOutputContents: [raw] = [] }: ModelInferResponse) => {
      sent.push([parameters?.tokens?.int64Param, Buffer.from(raw).subarray(4).toString()]);
    },
    isBehind: () => behind,
  });
  parts?.told({ tokens: 1, text: "a" });
  behind = true;
  parts?.told({ tokens: 1, text: "b" });
  parts?.told({ tokens: 2, text: "cd" });
  expect(sent).toEqual([[1, "a"]]);
  parts?.flush();
  parts?.flush();
  expect(sent).toEqual([
    [1, "a"],
    [3, "bcd"],
  ]);
});
