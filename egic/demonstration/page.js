"use strict";
// After hific/evaluation/page.js, whose `make` this uses. Without this script every
// version is still there to be looked at; this lays two of them over each other, and
// moves between the ends of ours.

const OURS = "EGIC";
const REALISM = /^EGIC, alpha ([\d.]+)$/;

// The versions of a photograph, from the figures that show them.

function versionsIn(group) {
  return Array.from(group.querySelectorAll("figure"), (figure) => {
    const label = figure.querySelector("b").textContent;
    const detail = figure.querySelector("span")?.textContent ?? "";
    const alpha = REALISM.exec(label)?.[1];
    const image = figure.querySelector("img");
    return { label, detail, image, alpha: alpha && Number(alpha) };
  });
}

// One half of a split picture: two images, so that ours can be blended of its ends.

function makeSide(name, place) {
  const lower = make("img", { alt: "", draggable: false });
  const upper = make("img", { alt: "", draggable: false });
  return {
    lower,
    upper,
    layer: make("div", { className: `layer ${place}` }, lower, upper),
    tag: make("p", { className: `tag ${name}` }),
  };
}

function makeFrame(sides, size) {
  const cut = make("input", { type: "range", min: 0, max: 100, step: 0.1, value: 50 });
  cut.setAttribute("aria-label", "Where the picture is split, percent from the left");
  const parts = sides.flatMap((side) => [side.layer, side.tag]);
  const line = make("div", { className: "line" });
  const frame = make("div", { className: "frame" }, ...parts, line, cut);
  const split = () => frame.style.setProperty("--cut", `${cut.value}%`);
  const measure = () => {
    frame.style.setProperty("--wide", size.naturalWidth);
    frame.style.setProperty("--high", size.naturalHeight);
  };
  cut.addEventListener("input", split);
  split();
  if (size.complete) measure();
  else size.addEventListener("load", measure);
  return frame;
}

function makeAlpha(changed) {
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 1 });
  slider.setAttribute("aria-label", "Alpha, from faithful to realistic");
  const shown = make("output", { value: "1.00" });
  slider.addEventListener("input", () => {
    shown.value = Number(slider.value).toFixed(2);
    changed();
  });
  const title = make("span", { textContent: "alpha" });
  const parts = [title, "faithful", slider, "realistic", shown];
  return { slider, row: make("div", { className: "choices" }, ...parts) };
}

function makeChoices(name, labels, choose) {
  const buttons = labels.map((label) => {
    const button = make("button", { type: "button", textContent: label });
    button.addEventListener("click", () => choose(label));
    return button;
  });
  const title = make("span", { textContent: name });
  const row = make("div", { className: "choices" }, title, ...buttons);
  const press = (chosen) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.textContent === chosen);
    }
  };
  return { row, press };
}

const HOW =
  "Drag the line. Between its ends, alpha is blended by the browser from the pictures " +
  "at 0 and 1, as the decoder does it before it rounds.";

function makeSplit(group) {
  const versions = versionsIn(group);
  const ends = versions.filter((one) => one.alpha !== undefined);
  const [faithful, realistic] = [0, 1].map((end) => ends.find((one) => one.alpha === end));
  const others = versions.filter((one) => one.alpha === undefined);
  if (!faithful || !realistic) return;
  const [original, ...rivals] = others.map((one) => one.label);
  const labels = [original, OURS, ...rivals];
  const left = rivals.find((label) => label.includes("4:2:0")) ?? original;
  const sides = [
    { name: "left", chosen: left, ...makeSide("left", "under") },
    { name: "right", chosen: OURS, ...makeSide("right", "over") },
  ];

  function show() {
    const alpha = Number(realism.slider.value);
    const known = ends.find((one) => one.alpha === alpha);
    const [bytes] = faithful.detail.split(", ");
    for (const side of sides) {
      const ours = side.chosen === OURS;
      const version = others.find((one) => one.label === side.chosen);
      side.lower.src = (ours ? faithful : version).image.src;
      side.upper.src = (ours ? realistic : version).image.src;
      side.upper.style.opacity = ours ? alpha : 1;
      const label = ours ? `${OURS}, alpha ${alpha}` : version.label;
      const detail = ours ? (known?.detail ?? bytes) : version.detail;
      side.tag.replaceChildren(label, make("span", { textContent: detail }));
      side.choices.press(side.chosen);
    }
    realism.row.hidden = sides.every((side) => side.chosen !== OURS);
  }

  const realism = makeAlpha(show);
  for (const side of sides) {
    side.choices = makeChoices(side.name, labels, (label) => {
      side.chosen = label;
      show();
    });
  }
  const rows = [realism.row, ...sides.map((side) => side.choices.row)];
  const how = make("p", { className: "note", textContent: HOW });
  const frame = makeFrame(sides, versions[0].image);
  group.before(make("div", { className: "split" }, frame, ...rows, how));
  show();
}

// A reader may prefer the other colours than the system.

function makeTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = make("button", { type: "button", className: "theme" });
  const now = () => root.dataset.theme ?? (dark.matches ? "dark" : "light");
  const label = () => {
    button.textContent = now() === "dark" ? "light" : "dark";
  };
  button.addEventListener("click", () => {
    root.dataset.theme = now() === "dark" ? "light" : "dark";
    label();
  });
  dark.addEventListener("change", label);
  document.querySelector("header").append(button);
  label();
}

document.querySelectorAll(".versions").forEach(makeSplit);
makeTheme();
document.documentElement.dataset.demonstration = "ready";
