/** An answer in the page's words: what each task found, where, and whether it is true. */
import { parsedJson } from "../shared/client.ts";
import type { Picture } from "./requests.ts";

export interface Box {
  /** Left, top, right, bottom; pixels of the picture. */
  readonly box: readonly number[];
  readonly text: string;
}

interface TaskTimes {
  readonly task: string;
  readonly replica: string;
  readonly batch: number;
  readonly queuedMs: number;
  readonly serviceMs: number;
}

export interface Found {
  /** In one line; the raw beginning of an answer that is not ours. */
  readonly text: string;
  readonly plates: readonly string[];
  readonly boxes: readonly Box[];
  readonly tasks: readonly TaskTimes[];
  /** False where no model looked at the picture: replayed times have no values. */
  readonly isSeen: boolean;
}

interface OurAnswer {
  readonly outputs?: Readonly<
    Record<string, { readonly labels?: string[]; readonly value?: unknown }>
  >;
  readonly timing?: {
    readonly tasks?: Readonly<
      Record<
        string,
        { queuedUs: number; startUs: number; serviceUs: number; replica: string; batch: number }
      >
    >;
  };
}

export const RAW_CHARACTERS = 160;

export function foundIn(body: string | undefined): Found {
  const answer = ourAnswer(body);
  if (answer === null) {
    const text = (body ?? "").slice(0, RAW_CHARACTERS);
    return { text, plates: [], boxes: [], tasks: [], isSeen: false };
  }
  const boxes: Box[] = [];
  const plates: string[] = [];
  const parts: string[] = [];
  for (const [task, { labels = [], value }] of Object.entries(answer.outputs ?? {})) {
    const own = boxesOf(value);
    boxes.push(...own);
    const { plate, text } = (value ?? {}) as { plate?: unknown; text?: unknown };
    const read = [plate, text].find((some) => typeof some === "string");
    if (read !== undefined) plates.push(String(read));
    const told = read ?? (labels.length > 0 ? countedLabels(labels) : valueText(value));
    parts.push(`${task}: ${told === "" ? "nothing" : told}`);
  }
  const tasks = Object.entries(answer.timing?.tasks ?? {}).map(([task, times]) => ({
    task,
    replica: times.replica,
    batch: times.batch,
    queuedMs: (times.startUs - times.queuedUs) / 1000,
    serviceMs: times.serviceUs / 1000,
  }));
  const isSeen = Object.values(answer.outputs ?? {}).some(({ value }) => value != null);
  return { text: parts.join(" · "), plates, boxes, tasks, isSeen };
}

/** Whether it is an answer of the protocol: a server may call anything a success. */
export function hasOutputs(body: string): boolean {
  return (parsedJson(body) as OurAnswer | null)?.outputs instanceof Object;
}

/** The gateway's JSON is the text in the protocol's `output`; in a stream it comes bare. */
function ourAnswer(body = ""): OurAnswer | null {
  const answer = parsedJson(body) as OurAnswer | null | undefined;
  const outputs: unknown = answer?.outputs;
  if (Array.isArray(outputs)) {
    const text: unknown = outputs.find((one) => one?.name === "output")?.data?.[0];
    return typeof text === "string" ? ourAnswer(text) : null;
  }
  const isOurs = Object.values(outputs ?? [null]).every((one) => one instanceof Object);
  return isOurs ? (answer as OurAnswer) : null;
}

function boxesOf(value: unknown): Box[] {
  const { objects } = (value ?? {}) as { objects?: unknown };
  const list: unknown[] = Array.isArray(objects) ? objects : [value];
  return list.flatMap((object) => {
    const { box, label, plate, text, score } = (object ?? {}) as Record<string, unknown>;
    if (!Array.isArray(box) || box.length !== 4 || !box.every(Number.isFinite)) return [];
    const name = [label, plate, text].find((part) => typeof part === "string") ?? "";
    const percent = typeof score === "number" ? ` ${Math.round(score * 100)}%` : "";
    return [{ box: box as number[], text: `${name}${percent}` }];
  });
}

function countedLabels(labels: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].map(([label, n]) => (n === 1 ? label : `${n} × ${label}`)).join(", ");
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "";
  const { objects } = value as { objects?: unknown };
  if (Array.isArray(objects) && objects.length === 0) return "";
  return typeof value === "string" ? value : JSON.stringify(value).slice(0, RAW_CHARACTERS);
}

/** Whether the answer agrees with what the picture is known to show; null where nothing is known. */
export function isTrue(found: Found, picture: Picture | null): boolean | null {
  if (picture === null || picture.truth === null || !found.isSeen) return null;
  const { plate } = picture.truth;
  if (plate === null) return found.plates.every((read) => read === "");
  return found.plates.some((read) => read.replaceAll(" ", "") === plate);
}
