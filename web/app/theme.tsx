/** Light, dark, or as the system says; kept in this browser. */
import { useState } from "react";
import { SelectEntry } from "../shared/entries.tsx";

const KEY = "tandem-theme";
const THEMES = [
  { id: "system", name: "System" },
  { id: "light", name: "Light" },
  { id: "dark", name: "Dark" },
];

const kept = (): string => localStorage.getItem(KEY) ?? "system";

export function applyTheme(): void {
  document.documentElement.dataset.theme = kept();
}

export function ThemeChoice() {
  const [theme, setTheme] = useState(kept);
  const choose = (next: string): void => {
    localStorage.setItem(KEY, next);
    setTheme(next);
    applyTheme();
  };
  return (
    <div className="theme">
      <SelectEntry label="Colours" value={theme} options={THEMES} onChange={choose} />
    </div>
  );
}
