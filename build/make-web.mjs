// Makes dist/web: the web app as static files, for a server at any path.
import { join } from "node:path";
import react from "@vitejs/plugin-react";
import { build } from "vite";

export async function makeWeb(root) {
  await build({
    root: join(root, "web"),
    configFile: false,
    base: "./",
    publicDir: false,
    logLevel: "warn",
    plugins: [react()],
    build: {
      outDir: join(root, "dist/web"),
      emptyOutDir: true,
      // All of these have `light-dark()` and module workers.
      target: ["chrome123", "firefox120", "safari17.5"],
      reportCompressedSize: false,
      // The simulator's thread is most of the build, and is said to be slow each time.
      rolldownOptions: { checks: { pluginTimings: false } },
      // React and its controls are one piece of the first load.
      chunkSizeWarningLimit: 900,
      modulePreload: { polyfill: false },
    },
    worker: { format: "es" },
  });
}
