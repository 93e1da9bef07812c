/** Where a process's or thread's compiled file lies. */

/**
 * `name` is relative to `cluster/`, without extension. Compiled code finds its neighbour; tests,
 * which run the sources, find the compiled file under dist/.
 */
export function entryPoint(name: string): URL {
  const here = import.meta.url;
  const folder = here.endsWith(".ts") ? new URL("../../dist/cluster/", here) : new URL("../", here);
  return new URL(`${name}.js`, folder);
}
