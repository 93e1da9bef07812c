/** Where the page starts: the tab that its address asks for, and the simulator's thread, load beside the page. */
import "./tabs.ts";
import "../shared/colours.css";
import "./style.css";
import "../shared/controls.css";

void import("./app.tsx");
