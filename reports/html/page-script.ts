/** The page's only script: tables sort, columns are chosen, filters act, points explain themselves. Optional. */
export const SCRIPT = `
"use strict";
const filters = document.getElementById("filters");
if (filters) {
  filters.hidden = false;
  const selects = [...filters.querySelectorAll("select")];
  const keyed = [...document.querySelectorAll("[data-k]")].map((element) => [
    element,
    element.dataset.k.split(" "),
  ]);
  const apply = () => {
    const wanted = selects.filter((one) => one.value !== "")
      .map((one) => [one.dataset.letter, one.dataset.letter + one.value]);
    for (const [element, parts] of keyed) {
      const misses = ([letter, key]) =>
        parts.some((part) => part[0] === letter) && !parts.includes(key);
      element.classList.toggle("off", wanted.some(misses));
    }
  };
  for (const select of selects) select.addEventListener("change", apply);
  apply();
}
for (const table of document.querySelectorAll("table[data-minor]")) {
  const minor = table.dataset.minor.split(" ").map(Number);
  const bar = document.createElement("div");
  bar.className = "columns";
  bar.append("columns:");
  for (const at of minor) {
    const cells = table.querySelectorAll("tr > :nth-child(" + at + ")");
    const show = (visible) => { for (const cell of cells) cell.classList.toggle("off", !visible); };
    show(false);
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.addEventListener("change", () => show(box.checked));
    label.append(box, " " + table.tHead.rows[0].cells[at - 1].textContent);
    bar.append(label);
  }
  table.parentElement.before(bar);
}
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, i) => {
    const cell = row.cells[i];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  [...table.tHead.rows[0].cells].forEach((heading, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a, i), key(b, i)];
        if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
        const order = typeof x === "number" ? x - y : x.localeCompare(y, "en", { numeric: true });
        return up ? order : -order;
      });
      body.append(...rows);
    });
  });
}
if (matchMedia("(max-width: 760px)").matches) {
  for (const more of document.querySelectorAll(".card details")) more.open = false;
}
const tip = document.createElement("div");
tip.id = "tip";
document.body.append(tip);
for (const svg of document.querySelectorAll(".chart svg")) {
  const title = svg.querySelector(":scope > title");
  if (title) {
    svg.removeAttribute("aria-labelledby");
    svg.setAttribute("aria-label", title.textContent);
    title.remove();
  }
  svg.addEventListener("pointermove", (event) => {
    const mark = event.target.closest("[aria-roledescription=point],[aria-roledescription=bar]");
    tip.textContent = mark ? mark.getAttribute("aria-label").replaceAll("; ", "\\n") : "";
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    tip.style.left = Math.max(8, left) + "px";
    const below = event.clientY + 16;
    const fits = below + tip.offsetHeight < innerHeight;
    tip.style.top = (fits ? below : event.clientY - tip.offsetHeight - 12) + "px";
  });
  svg.addEventListener("pointerleave", () => { tip.textContent = ""; });
}
`;
