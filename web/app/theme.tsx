/** Light, dark, or as the system says; kept in this browser. */
import { useState } from "react";
import { Choice } from "../shared/choice.tsx";

const KEY = "tandem-theme";
const THEMES = [
  { id: "system", name: "System" },
  { id: "light", name: "Light" },
  { id: "dark", name: "Dark" },
] as const;

type Theme = (typeof THEMES)[number]["id"];

export function applyTheme(theme: string = localStorage.getItem(KEY) ?? "system"): void {
  document.documentElement.dataset.theme = theme;
}

export function ThemeChoice() {
  const [theme, setTheme] = useState(localStorage.getItem(KEY) ?? "system");
  const choose = (next: string): void => {
    localStorage.setItem(KEY, next satisfies string as Theme);
    setTheme(next);
    applyTheme(next);
  };
  return (
    <div className="theme">
      <Choice label="Colours" value={theme} options={THEMES} onChange={choose} />
    </div>
  );
}
