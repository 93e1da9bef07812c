/** Draws the page. */
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { applyTheme } from "./theme.tsx";

applyTheme();
const place = document.querySelector("#app") as HTMLElement;
createRoot(place, {
  onUncaughtError: (error) => {
    place.textContent = `The page failed: ${String(error)}. Reload it; report it if it fails again.`;
    console.error(error);
  },
}).render(<App />);
