/** The page's style sheet and its only script. */
import { GRID, INK, MUTED, PALETTE, PAPER } from "../charts/theme.ts";

/** Chart colours that follow the page: attribute values of the SVG, overridden by style. */
const DARK_SVG = [
  [INK, "#e8eaed"],
  [MUTED, "#a8b0ba"],
  [GRID, "#353b43"],
  [PAPER, "#181b20"],
  [PALETTE[0], "#3b96dc"],
]
  .flatMap(([light, dark]) => [
    `.chart svg [fill="${light}"]{fill:${dark}}`,
    `.chart svg [stroke="${light}"]{stroke:${dark}}`,
  ])
  .join("\n");

const SCREEN = `
:root{color-scheme:light dark;--ink:${INK};--muted:${MUTED};--line:${GRID};--paper:${PAPER};
--soft:#f5f6f8;--good:#00694b;--bad:#a83f00;--warn:#7a5200;--link:#00568a}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,Helvetica,Arial,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:20px;margin:44px 0 12px;padding-top:14px;border-top:1px solid var(--line)}
p{margin:6px 0;max-width:80ch}h1,li,p,figcaption,caption{overflow-wrap:anywhere}
a{color:var(--link)}
.muted{color:var(--muted)}
.lead{font-size:20px;line-height:1.4;margin:18px 0 6px}
.chart{margin:26px 0;break-inside:avoid}
.chart svg{display:block;max-width:100%;height:auto;margin:14px 0}
.chart svg text{font-family:system-ui,"Segoe UI",Roboto,Helvetica,Arial,"DejaVu Sans",sans-serif}
.chart svg [aria-roledescription=point]:hover{stroke-width:5}
.chart svg [aria-roledescription=point]{pointer-events:all}
.chart svg [aria-hidden]{pointer-events:none}
figcaption{color:var(--muted);font-size:13px}
figcaption a{color:var(--link)}
.scroll{overflow-x:auto;margin:14px 0 26px}
.tall{max-height:640px;overflow-y:auto}
table{border-collapse:separate;border-spacing:0;font-size:13px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--muted);padding:0 0 6px}
caption span{display:block;position:sticky;left:0;width:max-content;max-width:min(1138px,100vw - 40px)}
th,td{padding:5px 10px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;
white-space:nowrap}
thead th{background:var(--soft);border-bottom:2px solid var(--line);vertical-align:bottom;
white-space:normal;min-width:96px}
tbody th{font-weight:normal;background:var(--paper)}
tbody th,thead th:first-child{position:sticky;left:0}
.tall thead th{position:sticky;top:0;z-index:1}.tall thead th:first-child{z-index:2}
.long,.longer{white-space:normal;min-width:200px;overflow-wrap:anywhere}.longer{min-width:440px}
.number{text-align:right}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.warn{color:var(--warn);font-weight:600}
thead button{all:unset;cursor:pointer;font-weight:600}
thead button:focus-visible{outline:2px solid var(--link);outline-offset:2px}
thead button::after{content:" \\2195";color:var(--muted)}
[aria-sort=ascending] button::after{content:" \\2191"}
[aria-sort=descending] button::after{content:" \\2193"}
dl{display:grid;grid-template-columns:max-content 1fr;gap:6px 18px;margin:10px 0}
dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
dd code{background:var(--soft);padding:2px 6px}
.off{display:none}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,350px),1fr));gap:16px}
.card{border:1px solid var(--line);border-top:4px solid var(--muted);border-radius:6px;
padding:14px 18px;background:var(--soft)}
.card.good{border-top-color:var(--good)}.card.bad{border-top-color:var(--bad)}
.card.warn{border-top-color:var(--warn)}
.card,.card dd{font-weight:normal}.card.good,.card.bad,.card.warn{color:var(--ink)}
.card .load{color:var(--muted);margin:0}
.card .answer{font-size:20px;font-weight:600;line-height:1.3;margin:2px 0 10px}
.card dl{grid-template-columns:104px 1fr;gap:4px 12px;margin:0;font-size:14px}
.card details{margin:4px 0 0}.card summary{display:none}.narrow{display:none}
.card dd.good{color:var(--good)}.card dd.bad{color:var(--bad)}.card dd.warn{color:var(--warn)}
nav{margin:22px 0 0}
nav ol{display:flex;flex-wrap:wrap;gap:4px 20px;list-style:none;margin:0;padding:10px 0;
border-top:1px solid var(--line);border-bottom:1px solid var(--line)}
nav a,summary{color:var(--link)}
#filters{position:sticky;top:0;z-index:5;display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;
background:var(--paper);border-bottom:1px solid var(--line);padding:8px 0;color:var(--muted)}
#filters[hidden]{display:none}
#filters select{font:inherit;color:var(--ink);background:var(--soft);border:1px solid var(--line);
border-radius:4px;padding:2px 6px;max-width:60vw}
details{margin:14px 0}
summary{cursor:pointer;padding:4px 0;font-weight:600}
.columns{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:13px;color:var(--muted);margin:6px 0}
section{scroll-margin-top:56px}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
#tip{position:fixed;z-index:9;pointer-events:none;background:var(--ink);color:var(--paper);
padding:6px 10px;border-radius:4px;font-size:12.5px;max-width:420px;white-space:pre-line}
#tip:empty{display:none}`;

const DARK = `
@media screen and (prefers-color-scheme:dark){
:root{--ink:#e8eaed;--muted:#a8b0ba;--line:#353b43;--paper:#181b20;--soft:#20242a;--good:#4fd1a5;
--bad:#ff9a5c;--warn:#f0c04c;--link:#7cc4f5}
${DARK_SVG}
}`;

const SMALL_AND_PRINT = `
@media screen and (max-width:760px){
main{padding:16px 14px 40px}dl{grid-template-columns:1fr;gap:0}dl dd{margin-bottom:8px}
.card{padding:10px 14px}.card .answer{font-size:18px;margin-bottom:6px}
.card dl{grid-template-columns:88px 1fr;gap:2px 8px;font-size:13px}.card dl dd{margin:0}
.card summary{display:block;font-size:13px}
.longer{min-width:300px}tbody th{white-space:normal;min-width:96px;max-width:40vw}
.tall{max-height:70vh}caption span{max-width:calc(100vw - 28px)}
.wide{display:none}.narrow{display:block}.narrow svg{width:100%;max-width:520px}}
@media print{
@page{size:A4 landscape;margin:12mm}
body{font-size:11px}main{max-width:none;padding:0}
.scroll,.tall{overflow:visible;max-height:none}
table{font-size:8px}th,td{padding:2px 4px}thead th{min-width:0}
tbody th{position:static}tr{break-inside:avoid}
thead button::after{content:""!important}thead button{display:inline}
h2{break-after:avoid}.chart svg{max-height:158mm;width:auto}
figcaption a,#tip,nav,#filters,.columns{display:none}
}`;

/** Light and dark, narrow and wide, screen and paper; system fonts only. */
export const STYLE = `${SCREEN}${DARK}${SMALL_AND_PRINT}`;
/** Tables sort, columns are chosen, filters act, points explain themselves. The page is whole without it. */
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
    for (const panel of document.querySelectorAll(".chart svg g[class$=cell] > g")) {
      const marks = [...panel.querySelectorAll("[data-k]:not([data-k=''])")];
      panel.classList.toggle("off", marks.length > 0 && marks.every((one) => one.matches(".off")));
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
    const mark = event.target.closest("[aria-roledescription=point],[aria-roledescription=bar],[aria-roledescription^=rect]");
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
