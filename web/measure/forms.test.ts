/** The forms of Measure as data: workloads, schedulers, and answers read back. */
import { expect, test } from "vitest";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import { catalogue } from "../../schedulers/catalogue.ts";
import { quantile } from "../shared/format.ts";
import { foundIn, hasOutputs, isTrue } from "./answer.ts";
import {
  pictureFiles,
  requestsOf,
  SHAPES,
  textToSend,
  USUAL,
  usualContents,
  usualToSend,
  workloadOf,
} from "./requests.ts";
import {
  chosenPolicies,
  documentOf,
  draftOf,
  parametersOf,
  withParameters,
  withPolicy,
} from "./scheduler.tsx";
import { casesOf } from "./test-cases.tsx";

test.each(SHAPES.filter(({ id }) => id !== "scenario").map(({ id }) => id))(
  "%s is a workload of a scenario",
  (shape) => {
    const load = { ...USUAL, shape };
    expect(workloadSchema.safeParse(workloadOf(load, null)).error).toBeUndefined();
    expect(requestsOf(load)).toBeGreaterThan(0);
  },
);

test("a trace is not sent from a page", () => {
  const scenario = { ...USUAL, shape: "scenario" } as const;
  expect(workloadOf(scenario, { arrivals: "trace", file: "t.csv" })).toBeNull();
  const closed = { arrivals: "closed", clients: 2 };
  expect(workloadOf(scenario, closed)).toEqual({ ...closed, client: { timeoutMs: 60_000 } });
});

test("requests are given up after the form's limit, unless the scenario's clients have their own", () => {
  const load = { ...USUAL, limitS: 0.5 };
  expect(workloadOf(load, null)?.client).toEqual({ timeoutMs: 500 });
  const own = { arrivals: "closed", clients: 2, client: { timeoutMs: 7 } };
  expect(workloadOf({ ...load, shape: "scenario" }, own)).toEqual(own);
});

test("a picked picture is shown from what is sent, so results keep it when others are picked", async () => {
  const file = new File([new Uint8Array([1, 2, 3])], "a.png", { type: "image/png" });
  expect(await pictureFiles([file])).toEqual([
    { name: "a.png", data: "AQID", source: "data:image/png;base64,AQID", truth: null },
  ]);
  await expect(pictureFiles(new Array(65).fill(file))).rejects.toThrow("65 files are more than");
});

const KNOWN = catalogue();

test.each(KNOWN.presets.map(({ name }) => name))("preset %s stays its name", (name) => {
  const draft = draftOf(name);
  expect(documentOf(draft)).toBe(name);
  expect(chosenPolicies(draft, KNOWN).length).toBeGreaterThan(0);
});

test("a changed parameter keeps the preset's others, and comes back from the server", () => {
  const preset = KNOWN.presets.find(({ composition }) => typeof composition.batching === "object");
  const draft = draftOf(preset?.name ?? "");
  const policy = chosenPolicies(draft, KNOWN).find(({ decision }) => decision === "batching");
  if (policy === undefined) throw new Error("there is a policy");
  const own = parametersOf(draft, KNOWN, policy);
  expect(Object.keys(own).length).toBeGreaterThan(0);
  const changed = withParameters(draft, policy, { ...own, maxBatch: 3 });
  const document = documentOf(changed);
  expect(document).toEqual({
    preset: preset?.name,
    batching: { policy: policy.name, ...own, maxBatch: 3 },
  });
  expect(documentOf(draftOf(document))).toEqual(document);
  const other = withPolicy(changed, "batching", "none");
  expect(documentOf(other)).toEqual({ preset: preset?.name, batching: "none" });
});

const BODY = JSON.stringify({
  outputs: {
    detect: {
      labels: ["car", "car"],
      value: { objects: [{ label: "car", score: 0.913, box: [1, 2, 3, 4] }] },
    },
    plate: { labels: ["plate"], value: { plate: "2AB 1234", box: [2, 2, 3, 3] } },
  },
  timing: {
    tasks: {
      detect: { queuedUs: 0, startUs: 5000, serviceUs: 7000, replica: "detect-1", batch: 2 },
    },
  },
});
const picture = (plate: string | null) => ({
  name: "p",
  data: "",
  source: "",
  truth: { car: plate !== null, plate },
});

test("an answer is read: labels, boxes, times, and whether it is true", () => {
  const found = foundIn(BODY);
  expect(found.text).toBe("detect: 2 × car · plate: 2AB 1234");
  expect(found.boxes.map(({ text }) => text)).toEqual(["car 91%", "2AB 1234"]);
  expect(found.tasks).toEqual([
    { task: "detect", replica: "detect-1", batch: 2, queuedMs: 5, serviceMs: 7 },
  ]);
  expect(isTrue(found, picture("2AB1234"))).toBe(true);
  expect(isTrue(found, picture("9ZZ9999"))).toBe(false);
  expect(isTrue(found, picture(null))).toBe(false);
  expect(isTrue(found, null)).toBeNull();
  const replayed = JSON.stringify({ outputs: { detect: { labels: [], value: null } } });
  expect(isTrue(foundIn(replayed), picture("2AB1234"))).toBeNull();
  const wrapped = JSON.stringify({ outputs: [{ name: "output", data: [BODY] }] });
  expect(foundIn(wrapped)).toEqual(found);
  const foreign = JSON.stringify({ model_name: "m", outputs: [{ name: "y", data: [1] }] });
  expect(foundIn(foreign)).toMatchObject({ text: foreign, boxes: [], tasks: [] });
});

test("an answer of another form is shown as it came", () => {
  for (const body of [
    ...['{"outputs":[null]}', '{"outputs":{"a":null}}', '{"outputs":[{"name":"output","data":5}]}'],
    ...['{"outputs":[{"name":"output","data":["[]"]}]}', "null", "5", "nonsense"],
  ]) {
    expect(foundIn(body)).toMatchObject({ text: body, boxes: [], tasks: [], isSeen: false });
  }
});

test("an answer of the protocol has outputs, of a server or of this one", () => {
  expect(hasOutputs(BODY)).toBe(true);
  expect(hasOutputs('{"model_name":"m","outputs":[{"name":"y","data":[1]}]}')).toBe(true);
  for (const body of ["", "null", '{"outputs": [{"na', "<html></html>", '{"hello":"world"}']) {
    expect(hasOutputs(body)).toBe(false);
  }
});

test("the four cases are the report's; a quantile is a value that occurred", () => {
  const cases = casesOf(10).map(({ requests, replicas }) => [requests, replicas]);
  expect(cases).toEqual([
    [1, 1],
    [10, 1],
    [10, 5],
    [10, 10],
  ]);
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2);
  expect(quantile([1, 2, 3, 4], 0.99)).toBe(4);
});

test("a language model gets a text, other models drawn scenes", async () => {
  const pipelines = {
    answer: { tasks: { retrieve: {}, write: { tokens: { prompt: 9, output: 9 } } } },
    look: { tasks: { look: {} } },
  };
  const deployed = { document: { pipelines } } as never;
  expect(["answer", "look"].map((model) => usualContents(deployed, model))).toEqual([
    ...["text", "scenes"],
  ]);
  expect(usualContents(null, "answer")).toBe("none");
  const client = { json: async () => ({ scenes: [] }) } as never;
  const [{ name, source }] = await usualToSend(client, deployed, "answer");
  expect([name, source]).toEqual(["Once upon a time", null]);
  expect(await usualToSend(client, deployed, "look")).toEqual([]);
  expect(Buffer.from(textToSend("Café").data, "base64").toString()).toBe("Café");
});
