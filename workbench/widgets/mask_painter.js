// Paints 0/1 rasters of the frame's grid: one trait `layer_<place>` per entry, empty where nothing is painted.
const COLOUR = [47, 134, 201, 150];
const STEPS = 60; // strokes that can be undone, for each entry

function make(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

export default () => {
  const history = {};
  let ids = 0;

  function render({ model, el }) {
    const [height, width] = model.get("grid");
    const names = model.get("names");
    const inside = bytes(model.get("domain"));
    const id = `mask-painter-${Date.now()}-${ids++}`;
    let raster, from = null, stroke = null, cursor = [Math.floor(width / 2), Math.floor(height / 2)];

    function bytes(view) {
      return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
    }
    const layer = (name = model.get("entry")) => `layer_${names.indexOf(name)}`;
    const painted = name => { const kept = model.get(layer(name)); return kept && bytes(kept).includes(1); };
    const past = () => (history[layer()] ??= []);

    // ---- the controls
    const entry = make("select", { id: `${id}-entry` });
    const brush = make("input", { id: `${id}-brush`, type: "range", min: 1, max: 80, step: 1 });
    const size = make("output", { htmlFor: brush.id });
    const paint = make("button", { type: "button", textContent: "Paint" });
    const erase = make("button", { type: "button", textContent: "Erase" });
    const mirror = make("input", { id: `${id}-mirror`, type: "checkbox" });
    const undo = make("button", { type: "button", textContent: "Undo", title: "Take back the last stroke" });
    const clear = make("button", { type: "button", textContent: "Clear", title: "Empty this mask" });
    const mode = make("span", { className: "mode" }, paint, erase);
    mode.setAttribute("role", "group");
    mode.setAttribute("aria-label", "What the brush does");
    const tools = make("div", { className: "tools" },
      make("span", {}, make("label", { htmlFor: entry.id, textContent: "Mask" }), entry),
      mode,
      make("span", {}, make("label", { htmlFor: brush.id, textContent: "Brush" }), brush, size),
      make("span", {}, mirror, make("label", { htmlFor: mirror.id, textContent: "Both sides (mirror)" })),
      make("span", {}, undo, clear));

    // ---- the face
    const canvas = make("canvas", { width, height, tabIndex: 0 });
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-label",
      "Painting surface. Drag to paint; or move the brush with the arrow keys (Shift: further) and press Space.");
    const tip = make("div", { className: "tip" });
    const face = make("div", { className: "face" },
      make("img", { src: model.get("drawing"), alt: "The canonical face", draggable: false }), canvas, tip);
    face.style.aspectRatio = `${width} / ${height}`;
    const sides = make("div", { className: "sides" },
      make("span", { textContent: "subject’s right" }), make("span", { textContent: "subject’s left" }));
    const status = make("p", { className: "status" });
    status.setAttribute("aria-live", "polite");
    const root = make("div", { className: "facs-painter" }, tools, face, sides, status);
    for (const node of [canvas, entry, brush, paint, erase, mirror, undo, clear]) {
      node.dataset.lmSuppressShortcuts = "true"; // D D must not delete the cell; JupyterLab looks at the node itself
    }
    el.append(root);
    const pen = canvas.getContext("2d");

    function show() {
      const picture = pen.createImageData(width, height);
      raster.forEach((on, i) => { if (on) picture.data.set(COLOUR, 4 * i); });
      pen.putImageData(picture, 0, 0);
      undo.disabled = past().length === 0;
      clear.disabled = !raster.includes(1);
    }
    function take() { // what the kernel has
      if (stroke) return;
      const kept = model.get(layer());
      raster = kept && kept.byteLength === width * height ? bytes(kept) : new Uint8Array(width * height);
      show();
    }
    function remember() {
      past().push(raster.slice());
      if (past().length > STEPS) past().shift();
    }
    function keep(to = layer()) {
      const sent = raster.includes(1) ? raster.slice() : new Uint8Array(0);
      model.set(to, new DataView(sent.buffer));
      model.save_changes();
      options();
      take();
    }
    function dab(x, y) {
      const radius = model.get("brush") / 2, erasing = model.get("erase"), both = model.get("mirror");
      for (let i = Math.max(0, Math.ceil(y - radius)); i <= Math.min(height - 1, y + radius); i++) {
        for (let j = Math.max(0, Math.ceil(x - radius)); j <= Math.min(width - 1, x + radius); j++) {
          if ((i - y) ** 2 + (j - x) ** 2 > radius ** 2) continue;
          for (const k of both ? [j, width - 1 - j] : [j]) {
            const at = i * width + k;
            if (erasing) raster[at] = 0;
            else if (inside[at]) raster[at] = 1;
          }
        }
      }
    }
    function line(to) {
      const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
      for (let s = 1; s <= steps; s++) {
        dab(from[0] + (to[0] - from[0]) * s / steps, from[1] + (to[1] - from[1]) * s / steps);
      }
      from = to;
    }
    function place(event) { // in pixels of the grid: 0, 0 is the centre of the first
      const box = canvas.getBoundingClientRect();
      const at = [(event.clientX - box.left) / box.width * width, (event.clientY - box.top) / box.height * height];
      return at.map(value => Math.round(value - 0.5));
    }
    function point([x, y]) {
      const share = model.get("brush") / width;
      tip.style.cssText = `left: ${(x + 0.5) / width * 100}%; top: ${(y + 0.5) / height * 100}%; width: ${share * 100}%;`;
    }

    // ---- mouse, pen, finger
    canvas.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      remember();
      stroke = layer(); // the kernel may choose another entry meanwhile
      from = place(event);
      dab(...from);
      show();
    });
    canvas.addEventListener("pointermove", event => {
      cursor = place(event);
      point(cursor);
      if (!stroke) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const each of passed.length ? passed : [event]) line(place(each));
      show();
    });
    const end = () => { const to = stroke; stroke = null; if (to) keep(to); };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);

    // ---- keys
    canvas.addEventListener("keydown", event => {
      const step = event.shiftKey ? 10 : 2;
      const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
      if (move) {
        cursor = [Math.min(width - 1, Math.max(0, cursor[0] + move[0])),
          Math.min(height - 1, Math.max(0, cursor[1] + move[1]))];
        point(cursor);
      } else if (event.key === " ") {
        remember();
        dab(...cursor);
        keep();
      } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
        back();
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    canvas.addEventListener("focus", () => point(cursor));

    // ---- the controls and the traits
    function back() {
      const last = past().pop();
      if (last) { raster = last; keep(); }
    }
    undo.addEventListener("click", back);
    clear.addEventListener("click", () => { remember(); raster = new Uint8Array(width * height); keep(); });
    function put(name, value) { model.set(name, value); model.save_changes(); }
    entry.addEventListener("change", () => put("entry", entry.value));
    brush.addEventListener("input", () => put("brush", Number(brush.value)));
    mirror.addEventListener("change", () => put("mirror", mirror.checked));
    paint.addEventListener("click", () => put("erase", false));
    erase.addEventListener("click", () => put("erase", true));

    function options() {
      const labels = model.get("labels");
      entry.replaceChildren(...names.map((name, i) =>
        make("option", { value: name, textContent: painted(name) ? `${labels[i]} ✓` : labels[i] })));
      entry.value = model.get("entry");
    }
    function reflect() {
      brush.value = model.get("brush");
      size.textContent = `${model.get("brush")} px`;
      mirror.checked = model.get("mirror");
      paint.setAttribute("aria-pressed", String(!model.get("erase")));
      erase.setAttribute("aria-pressed", String(model.get("erase")));
      status.textContent = model.get("status");
      point(cursor);
    }
    const other = () => { options(); take(); };
    const watched = { entry: other, ...Object.fromEntries(names.map((name, i) => [`layer_${i}`, other])) };
    for (const trait of ["brush", "erase", "mirror", "status"]) watched[trait] = reflect;
    for (const [trait, act] of Object.entries(watched)) model.on(`change:${trait}`, act);
    options();
    take();
    reflect();
    return () => { for (const [trait, act] of Object.entries(watched)) model.off(`change:${trait}`, act); };
  }
  return { render };
};
