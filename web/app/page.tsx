/** Where the page starts. */
import "./tabs.ts";
import { createRoot } from "react-dom/client";
import "../shared/colours.css";
import { App } from "./app.tsx";
import "./style.css";
import "../shared/controls.css";
import { applyTheme } from "./theme.tsx";

applyTheme();
const place = document.querySelector("#app") as HTMLElement;
createRoot(place, {
  onUncaughtError: (error) => {
    place.textContent = `The page failed: ${String(error)}. Reload it; report it if it fails again.`;
    console.error(error);
  },
}).render(<App />);
