"use strict";
// Without this script the page shows everything that it shows with it; this makes
// tables sortable, long ones browsable, and pictures large.

const ROWS_AT_ONCE = 100;
const MISSING = "–";

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

// Tables: a click on a heading sorts, a second one turns the order round.

function numberIn(text) {
  const plain = text.replace(/,/g, "").replace("−", "-").replace("∞", "Infinity");
  return parseFloat(plain);
}

function sortTable(table, heading, direction) {
  const body = table.tBodies[0];
  const sign = direction === "descending" ? -1 : 1;
  const isNumber = heading.dataset.kind === "number";
  const keyed = Array.from(body.rows, (row) => {
    const text = row.cells[heading.cellIndex].textContent;
    const key = isNumber ? numberIn(text) : text;
    return { row, key, missing: isNumber ? Number.isNaN(key) : text === MISSING };
  });
  const order = new Intl.Collator("en", { numeric: true });
  keyed.sort((a, b) => {
    if (a.missing || b.missing) return a.missing - b.missing;
    if (!isNumber) return sign * order.compare(a.key, b.key);
    return a.key === b.key ? 0 : sign * (a.key < b.key ? -1 : 1);
  });
  body.append(...keyed.map((item) => item.row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", direction);
  table.dataset.sorted = heading.dataset.column;
  table.dispatchEvent(new Event("sorted"));
}

function nextDirection(heading) {
  const now = heading.getAttribute("aria-sort");
  if (now) return now === "ascending" ? "descending" : "ascending";
  return heading.dataset.better === "higher" ? "descending" : "ascending";
}

function makeSortable(table) {
  for (const heading of table.tHead.rows[0].cells) {
    const button = make("button", { type: "button" }, ...heading.childNodes);
    button.addEventListener("click", () =>
      sortTable(table, heading, nextDirection(heading)),
    );
    heading.append(button);
  }
}

// A long table shows some of its rows: those that hold all words asked for.

function makeBrowsable(place) {
  const table = place.querySelector("table");
  const headings = Array.from(table.tHead.rows[0].cells);
  const named = headings.filter((heading) => heading.dataset.kind === "text");
  const texts = new Map();
  for (const row of table.tBodies[0].rows) {
    const names = named.map((heading) => row.cells[heading.cellIndex].textContent);
    texts.set(row, names.join(" ").toLowerCase());
  }
  const filter = make("input", { type: "search", placeholder: "picture or codec" });
  filter.setAttribute("aria-label", "Show rows with these words");
  const back = make("button", { type: "button", textContent: "‹ earlier" });
  const on = make("button", { type: "button", textContent: "later ›" });
  const count = make("span");
  count.setAttribute("role", "status");
  let start = 0;

  function show() {
    const words = filter.value.toLowerCase().split(/\s+/);
    const rows = Array.from(table.tBodies[0].rows);
    const found = rows.filter((row) =>
      words.every((word) => texts.get(row).includes(word)),
    );
    start = Math.max(0, Math.min(start, found.length - 1));
    start -= start % ROWS_AT_ONCE;
    const end = Math.min(start + ROWS_AT_ONCE, found.length);
    for (const row of rows) row.hidden = true;
    for (const row of found.slice(start, end)) row.hidden = false;
    back.disabled = start === 0;
    on.disabled = end === found.length;
    count.textContent = found.length
      ? `${start + 1} to ${end} of ${found.length} rows`
      : "no such rows";
  }

  function move(rows) {
    start += rows;
    show();
  }

  filter.addEventListener("input", () => move(-start));
  table.addEventListener("sorted", () => move(-start));
  back.addEventListener("click", () => move(-ROWS_AT_ONCE));
  on.addEventListener("click", () => move(ROWS_AT_ONCE));
  place.prepend(make("div", { className: "browse" }, filter, back, on, count));
  show();
}

// Pictures: a click enlarges; keys change between the versions of one picture.

function makeViewer() {
  const image = make("img", { className: "shown" });
  const caption = make("p");
  const button = (textContent, action) => {
    const node = make("button", { type: "button", textContent });
    node.addEventListener("click", action);
    return node;
  };
  let figures = [];
  let index = 0;
  let before = 0;

  function show(wanted) {
    index = (wanted + figures.length) % figures.length;
    const shown = figures[index].querySelector("img");
    image.src = shown.src;
    image.alt = shown.alt;
    image.classList.toggle("pixels", figures[index].classList.contains("crop"));
    const parts = figures[index].querySelector("figcaption").children;
    caption.textContent = Array.from(parts, (part) => part.textContent).join(": ");
  }

  function swap() {
    if (index) before = index;
    show(index ? 0 : before);
  }

  const browse = make(
    "div",
    { className: "browse" },
    button("‹ previous", () => show(index - 1)),
    button("next ›", () => show(index + 1)),
    button("original and back (O)", swap),
    button("close", () => dialog.close()),
  );
  const dialog = make("dialog", { id: "viewer" }, image, caption, browse);
  dialog.setAttribute("aria-label", "Enlarged picture");
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(index - 1);
    else if (event.key === "ArrowRight") show(index + 1);
    else if (event.key === "o" || event.key === "O") swap();
  });
  document.body.append(dialog);

  return (group, wanted) => {
    figures = Array.from(group.querySelectorAll("figure"));
    before = 0;
    browse.children[2].hidden = !group.classList.contains("crops");
    show(wanted);
    dialog.showModal();
  };
}

function makeEnlargeable(group, enlarge) {
  group.querySelectorAll("figure").forEach((figure, index) => {
    const image = figure.querySelector("img");
    const button = make("button", { type: "button", className: "enlarge" });
    image.replaceWith(button);
    button.append(image);
    button.addEventListener("click", () => enlarge(group, index));
  });
}

// An address may ask for a view: #sort=TABLE,COLUMN,descending or #view=1,2.

function followAddress(groups, enlarge) {
  const [wish, text = ""] = decodeURIComponent(location.hash.slice(1)).split("=");
  const [first, second, third] = text.split(",");
  if (wish === "sort") {
    const table = document.getElementById(first);
    const headings = table ? Array.from(table.tHead.rows[0].cells) : [];
    const heading = headings.find((cell) => cell.dataset.column === second);
    const direction = third === "descending" ? third : "ascending";
    if (heading) sortTable(table, heading, direction);
    table?.closest("details")?.setAttribute("open", "");
  } else if (wish === "view" && groups[Number(first)]) {
    enlarge(groups[Number(first)], Number(second) || 0);
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
document.querySelectorAll(".long").forEach(makeBrowsable);
const enlarge = makeViewer();
const groups = Array.from(document.querySelectorAll(".figures, .crops"));
groups.forEach((group) => makeEnlargeable(group, enlarge));
followAddress(groups, enlarge);
addEventListener("beforeprint", () => {
  for (const legend of document.querySelectorAll(".legend")) legend.open = true;
});
document.documentElement.dataset.ready = "yes";
