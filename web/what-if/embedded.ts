/**
 * The script of the fragment that reports embed: unpacks the code that stands beside it, once the page
 * shows its place, and starts it. `build/make-web.mjs` makes the fragment.
 */
import type { KeptScenario } from "../../library/browser.ts";
import type { mountWhatIf } from "./standalone.tsx";

interface Packed {
  readonly page: string;
  readonly worker: string;
  readonly style: string;
}

/** The part of provenance.json that the page holds. */
interface Kept {
  readonly scenario: KeptScenario["document"];
  readonly inputs: Omit<KeptScenario, "document">;
}

declare global {
  interface Window {
    /** Set by the unpacked page code. */
    tandemWhatIf?: typeof mountWhatIf;
  }
}

const element = (id: string): HTMLElement => document.getElementById(id) as HTMLElement;

async function unpack(): Promise<Packed> {
  const packed = atob(element("what-if-code").textContent ?? "");
  const bytes = Uint8Array.from(packed, (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text()) as Packed;
}

function add(kind: "style" | "script", text: string): void {
  const made = document.createElement(kind);
  made.textContent = text;
  document.head.append(made);
}

async function start(): Promise<void> {
  const place = element("what-if");
  try {
    const { page, worker, style } = await unpack();
    const url = URL.createObjectURL(new Blob([worker], { type: "text/javascript" }));
    // Compiles and warms up while the page's part is read.
    const thread = new Worker(url);
    add("style", style);
    add("script", page);
    const { scenario, inputs } = JSON.parse(element("what-if-scenario").textContent ?? "") as Kept;
    window.tandemWhatIf?.(place, { document: scenario, ...inputs }, thread);
  } catch (error) {
    place.textContent = `The simulator does not run in this browser: ${String(error)}`;
  }
}

const observer = new IntersectionObserver((entries) => {
  if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
  observer.disconnect();
  void start();
});
observer.observe(element("what-if"));
// A link with a state leads to it.
if (location.hash.includes("what-if=")) element("what-if").scrollIntoView();
