// Makes dist/what-if.html: the fragment that reports embed, with the page's code and the simulator's, packed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { BROWSER_OPTIONS } from "./make-web.mjs";

export async function makeWhatIf(root) {
  const folder = join(root, "web/what-if");
  const start =
    'import { mountWhatIf } from "./standalone.tsx"; window.tandemWhatIf = mountWhatIf;';
  const [page, worker, loader] = await Promise.all([
    bundle({ stdin: { contents: start, resolveDir: folder, loader: "ts" } }),
    bundle({ entryPoints: [join(folder, "simulation-worker.ts")] }),
    bundle({ entryPoints: [join(folder, "embedded.ts")] }),
  ]);
  const parts = { page: page.js, worker: worker.js, style: page.css };
  const packed = gzipSync(JSON.stringify(parts), { level: 9 }).toString("base64");
  const html = [
    `<script type="application/octet-stream" id="what-if-code">${packed}</script>`,
    `<script>${loader.js.replaceAll("</script", "<\\/script")}</script>\n`,
  ];
  writeFileSync(join(root, "dist/what-if.html"), html.join("\n"));
}

async function bundle(entry) {
  const { outputFiles } = await build({
    ...BROWSER_OPTIONS,
    ...entry,
    outdir: "/",
    format: "iife",
    jsx: "automatic",
    define: { "process.env.NODE_ENV": '"production"' },
    write: false,
  });
  const textOf = (ending) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? "";
  return { js: textOf(".js"), css: textOf(".css") };
}
