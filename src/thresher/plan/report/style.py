"""How the page looks, and its one script. Both are in the page, and its policy lets nothing else in by their hashes.

Every pair of colours has a contrast of 4.5 to 1 and more (WCAG 2.2, 1.4.3), and each says nothing that words do not.
"""

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --soft: #4b5563; --line: #c5cbd3; --band: #f2f4f7;
  --link: #0b57a4; --ready: #176639; --warnings: #7a4b00; --blocked: #a81c1c; --bar: #2b6cb0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --ink: #e8eaed; --soft: #b3bac4; --line: #444c57; --band: #1f242b; --link: #8ab8f5;
    --ready: #7fd6a0; --warnings: #f0c674; --blocked: #ff9d94; --bar: #5b9bd8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, "Noto Sans KR", "Noto Sans CJK KR", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .5rem 0; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2rem 0 .5rem; } h3 { font-size: 1.1rem; margin: 1.25rem 0 .25rem; }
a { color: var(--link); } :focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; } .skip:focus { position: static; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
.about, caption, .hint { color: var(--soft); } caption { text-align: start; padding: .25rem 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; padding: 0;
  margin: 1rem 0; list-style: none; }
.cards li { border: 1px solid var(--line); border-inline-start-width: 6px; border-radius: 4px; padding: .5rem .75rem; }
.cards b { display: block; font-size: 1.8rem; line-height: 1.2; }
.ready { color: var(--ready); } .warnings { color: var(--warnings); } .blocked { color: var(--blocked); }
span.ready::before { content: "\\2713  " / ""; } span.warnings::before { content: "!  " / ""; }
span.blocked::before { content: "\\2715  " / ""; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: start; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
thead th { background: var(--band); } tbody th { font-weight: 600; overflow-wrap: break-word; max-width: 20rem; }
.blocked, .warnings, .ready { white-space: nowrap; } p.warnings { white-space: normal; }
.figure { font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: .25rem 0; }
summary { cursor: pointer; } details ul { margin: .25rem 0; padding-inline-start: 1.2rem; }
.group > summary { background: var(--band); padding: .4rem .6rem; }
label { display: block; margin: .75rem 0 .25rem; } input { font: inherit; width: min(30rem, 100%); padding: .35rem; }
[hidden] { display: none !important; }
svg { width: 100%; height: auto; min-width: 40rem; } svg text { fill: var(--ink); font-size: 11px; }
.grid { stroke: var(--line); } .copy { fill: var(--bar); }
.after { fill: var(--bar); } .wait { fill: var(--page); stroke: var(--bar); }
.pause { fill: var(--band); stroke: var(--soft); stroke-dasharray: 3 3; }
footer { margin-top: 2rem; border-top: 1px solid var(--line); color: var(--soft); }
@page { margin: 15mm; }
@media print {
  :root { color-scheme: light; --page: #ffffff; --ink: #000000; --soft: #333333; --line: #999999; --band: #eeeeee;
    --link: #000000; --ready: #176639; --warnings: #7a4b00; --blocked: #a81c1c; --bar: #2b6cb0; }
  body { max-width: none; padding: 0; font-size: 9pt; } nav, .skip, .search { display: none; }
  .scroll { overflow: visible; } svg { min-width: 0; } thead { display: table-header-group; }
  tr, svg, .cards li { break-inside: avoid; } h2, h3, summary { break-after: avoid; }
}
"""

SCRIPT = """
"use strict";
const box = document.getElementById("search");
const said = document.getElementById("hits");
const boxes = document.querySelectorAll("#machines .group");
const groups = Array.from(boxes, (box) => ({ box, open: box.open, rows: null }));
let due = 0;
function textOf(row) { return { row, text: row.textContent.toLocaleLowerCase() }; }
function search() {
  const words = box.value.toLocaleLowerCase().split(/\\s+/).filter(Boolean);
  let hits = 0;
  for (const group of groups) {
    group.rows ??= Array.from(group.box.querySelectorAll("tbody tr"), textOf);
    const found = new Set(group.rows.filter((one) => words.every((word) => one.text.includes(word))));
    hits += found.size;
    group.box.hidden = found.size === 0;
    if (found.size) { for (const one of group.rows) { one.row.hidden = !found.has(one); } }
    group.box.open = words.length ? found.size > 0 : group.open;
  }
  said.textContent = words.length ? `${said.dataset.hits}: ${hits}` : "";
}
box.addEventListener("input", () => { clearTimeout(due); due = setTimeout(search, 150); });
if (document.body.dataset.print === "all") {
  const closed = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) { closed.push(one); one.open = true; }
  });
  addEventListener("afterprint", () => { while (closed.length) { closed.pop().open = false; } });
}
"""
