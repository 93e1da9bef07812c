/** A scenario's text with other values, for download: comments and order stay where they can. */
import { type Document, isCollection, parseDocument } from "yaml";
import { Fault } from "../core/fault.ts";
import { setPath } from "../core/scenario/set-path.ts";

/**
 * The text of a scenario with `overrides` (values by path, as from `--set`) written into it, as YAML; an
 * undefined value removes the path. Throws Fault("invalid-input") for a text that is no YAML mapping, and
 * for a path that leads nowhere.
 */
export function scenarioText(text: string, overrides: Readonly<Record<string, unknown>>): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    throw new Fault("invalid-input", document.errors[0].message, { hint: "expected YAML" });
  }
  for (const [path, value] of Object.entries(overrides)) write(document, path, value);
  return document.toString({ lineWidth: 100 });
}

function write(document: Document, path: string, value: unknown): void {
  if (value === undefined) {
    const words = path.split(".");
    if (document.hasIn(words)) document.deleteIn(words);
    return;
  }
  const result = setPath(document.toJS() as Record<string, unknown>, path, value);
  if (result.kind === "issue") throw new Fault("invalid-input", result.issue.message);
  const steps = result.path;
  // Where a name has to grow into a mapping, its section is written anew.
  const isOpen = steps.every((_, i) => {
    const around = document.getIn(steps.slice(0, i), true);
    return around === undefined || isCollection(around) || i === 0;
  });
  if (isOpen) document.setIn(steps, value);
  else document.set(steps[0], result.root[steps[0] as string]);
}
