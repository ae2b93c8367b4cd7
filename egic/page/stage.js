// Two pictures behind a split slider, and a brush on top of them.
// Gradio runs this once, with `element`, `props`, `watch` and `trigger`.
const one = (selector) => element.querySelector(selector);
const frame = one(".frame");
const canvas = one("canvas");
const handle = one(".handle");
const pen = canvas.getContext("2d");
const SMALLEST = 300; // CSS pixels, as wide as a picture is shown at least.
let mode = "split";
let picture = null; // What the painting belongs to.
let held = false;
let last = null; // Where the brush was, in pixels of the canvas.

function split(percent) {
  const at = Math.min(100, Math.max(0, percent));
  frame.style.setProperty("--split", `${at}%`);
  handle.setAttribute("aria-valuenow", Math.round(at));
}

function choose(name) {
  mode = name;
  frame.dataset.mode = name;
  for (const button of element.querySelectorAll("[data-mode]")) {
    if (button !== frame) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === name));
    }
  }
}

async function show() {
  if (!props.value) return;
  const view = JSON.parse(props.value);
  if (view.picture !== picture) {
    picture = view.picture;
    const scale = Math.min(1, 1024 / Math.max(view.width, view.height));
    canvas.width = Math.max(1, Math.round(view.width * scale));
    canvas.height = Math.max(1, Math.round(view.height * scale));
    frame.style.setProperty("--ratio", view.width / view.height);
    // True pixels where they fit; small pictures are enlarged by a whole number.
    const enlarged = Math.max(1, Math.ceil(SMALLEST / view.width));
    frame.style.setProperty("--natural", `${view.width * enlarged}px`);
    frame.dataset.enlarged = enlarged > 1;
    choose("split");
    split(50);
  }
  element.dataset.paintable = view.paintable;
  const wanted = { ours: view.ours, beside: view.beside };
  const ready = await Promise.all(
    Object.entries(wanted).map(async ([name, url]) => {
      const loaded = new Image();
      loaded.src = url;
      try {
        await loaded.decode();
      } catch {
        return false;
      }
      return props.value && JSON.parse(props.value)[name] === url;
    }),
  );
  if (!ready.every(Boolean)) return; // A newer view is on its way.
  one(".ours").src = view.ours;
  one(".beside").src = view.beside;
  one(".left").textContent = view.beside_label;
  one(".right").textContent = view.ours_label;
  element.dataset.shown = props.value;
}

function place(event) {
  const box = frame.getBoundingClientRect();
  return {
    x: (event.clientX - box.left) / box.width,
    y: (event.clientY - box.top) / box.height,
  };
}

function stroke(event) {
  const { x, y } = place(event);
  const now = { x: x * canvas.width, y: y * canvas.height };
  const from = last ?? now;
  const share = Number(one(".size input").value) / 100;
  pen.globalCompositeOperation =
    mode === "eraser" ? "destination-out" : "source-over";
  pen.strokeStyle = pen.fillStyle = "#ff8800";
  pen.lineCap = "round";
  pen.lineWidth = Math.max(2, share * 2 * Math.max(canvas.width, canvas.height));
  pen.beginPath();
  pen.moveTo(from.x, from.y);
  pen.lineTo(now.x, now.y + 0.01); // A dot where the brush did not move.
  pen.stroke();
  last = now;
}

function painted() {
  trigger("painted", { picture, url: canvas.toDataURL("image/png") });
}

frame.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  event.preventDefault();
  frame.setPointerCapture(event.pointerId);
  held = true;
  last = null;
  frame.dataset.held = mode;
  if (mode === "split") split(place(event).x * 100);
  else stroke(event);
});

frame.addEventListener("pointermove", (event) => {
  if (!held) return;
  if (mode === "split") split(place(event).x * 100);
  else stroke(event);
});

for (const name of ["pointerup", "pointercancel"]) {
  frame.addEventListener(name, () => {
    if (held && mode !== "split") painted();
    held = false;
    delete frame.dataset.held;
  });
}

const STEPS = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 };
handle.addEventListener("keydown", (event) => {
  if (!(event.key in STEPS)) return;
  event.preventDefault();
  split(Number(handle.getAttribute("aria-valuenow")) + STEPS[event.key]);
});

one(".modes").addEventListener("click", (event) => {
  if (event.target.dataset.mode) choose(event.target.dataset.mode);
});

one(".clear").addEventListener("click", () => {
  pen.clearRect(0, 0, canvas.width, canvas.height);
  painted();
});

watch("value", show);
show();
