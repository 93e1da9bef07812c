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

/** The contents of an element, packed. */
function unpacked({ textContent }: HTMLElement): Response {
  const packed = textContent ?? "";
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}

/** Stands before the worker's code, after HiGHS' own, `Module`: the first message brings its WebAssembly. */
const SOLVER = `
const wasm = new Promise((resolve) => addEventListener("message", (event) => {
  event.stopImmediatePropagation();
  resolve(event.data);
}, { once: true }));
globalThis.tandemSolver = () => Module({
  instantiateWasm: async (imports, receive) =>
    receive((await WebAssembly.instantiate(await wasm, imports)).instance),
});
`;

function add(kind: "style" | "script", text: string): void {
  const made = document.createElement(kind);
  made.textContent = text;
  document.head.append(made);
}

async function start(): Promise<void> {
  const place = element("what-if");
  try {
    const { page, worker, style }: Packed = await unpacked(element("what-if-code")).json();
    const solver = document.getElementById("what-if-solver");
    const parts = solver === null ? [worker] : [await unpacked(solver).text(), SOLVER, worker];
    const url = URL.createObjectURL(new Blob(parts, { type: "text/javascript" }));
    // Compiles and warms up while the page's part is read.
    const thread = new Worker(url);
    if (solver !== null) {
      thread.postMessage(await unpacked(element("what-if-solver-wasm")).arrayBuffer());
    }
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
