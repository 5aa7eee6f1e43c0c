"use strict";
(() => {
  const by = (id) => document.getElementById(id);
  const crops = document.querySelector(".crops");
  const W = Number(crops.dataset.width), H = Number(crops.dataset.height);
  const crop = crops.dataset.crop.split(",").map(Number);
  const pictures = [...crops.querySelectorAll("figure")].map((figure) => ({
    name: figure.dataset.name, value: figure.dataset.value, src: figure.querySelector("img").src,
  }));
  const stage = by("stage"), divider = by("divider");
  const under = by("under").firstElementChild, over = by("over");
  const choice = { left: by("left"), right: by("right") };
  // Screen pixels for each pixel. Below one, the browser reduces smoothly.
  const ZOOMS = [1 / 16, 1 / 12, 1 / 8, 1 / 6, 1 / 4, 1 / 3, 1 / 2, 1, 2, 3, 4, 6, 8, 12, 16, 24];
  // What is seen: the pixel in the middle of the stage, the zoom, and the divider in 0..1.
  const view = { x: W / 2, y: H / 2, zoom: 1, at: 0.5 };

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const unit = () => view.zoom / (window.devicePixelRatio || 1);
  const largest = (width, height) => ZOOMS.filter((zoom) => {
    const one = zoom / (window.devicePixelRatio || 1);
    return width * one <= stage.clientWidth && height * one <= stage.clientHeight;
  }).pop() || ZOOMS[0];

  // Where a side of the picture begins on the stage: in its middle, or never past its edges.
  const start = (middle, pixels, room) => {
    const size = pixels * unit(), dots = window.devicePixelRatio || 1;
    const from = size <= room ? (room - size) / 2 : clamp(room / 2 - middle * unit(), room - size, 0);
    return Math.round(from * dots) / dots;
  };

  const show = () => {
    const width = stage.clientWidth, height = stage.clientHeight;
    const x = start(view.x, W, width), y = start(view.y, H, height);
    view.x = clamp((width / 2 - x) / unit(), 0, W);
    view.y = clamp((height / 2 - y) / unit(), 0, H);
    for (const image of [under, over.firstElementChild]) {
      image.style.width = W * unit() + "px";
      image.style.height = H * unit() + "px";
      image.style.transform = "translate(" + x + "px, " + y + "px)";
    }
    stage.classList.toggle("whole-pixels", view.zoom >= 1);
    const percent = Math.round(view.at * 1000) / 10;
    over.style.clipPath = "inset(0 " + (100 - percent) + "% 0 0)";
    divider.style.left = percent + "%";
    divider.setAttribute("aria-valuenow", String(Math.round(percent)));
    divider.setAttribute("aria-valuetext", Math.round(percent) + " % " +
      pictures[choice.left.value].name + ", the rest " + pictures[choice.right.value].name);
    by("zoom").value = view.zoom >= 1 ? view.zoom + "\u00d7" : "1/" + Math.round(1 / view.zoom);
  };

  const choose = () => {
    for (const [side, image] of [["left", over.firstElementChild], ["right", under]]) {
      const picture = pictures[choice[side].value];
      if (image.src !== picture.src) image.src = picture.src;
      const value = document.createElement("span");
      value.textContent = picture.value;
      by(side + "-tag").replaceChildren(picture.name + " ", value);
    }
    show();
  };

  const zoomBy = (steps, clientX, clientY) => {
    const box = stage.getBoundingClientRect();
    const dx = clientX === undefined ? 0 : clientX - box.left - stage.clientWidth / 2;
    const dy = clientY === undefined ? 0 : clientY - box.top - stage.clientHeight / 2;
    const x = view.x + dx / unit(), y = view.y + dy / unit();
    view.zoom = ZOOMS[clamp(ZOOMS.indexOf(view.zoom) + steps, 0, ZOOMS.length - 1)];
    view.x = x - dx / unit();
    view.y = y - dy / unit();
    show();
  };
  const look = (x, y, width, height) => {
    view.zoom = largest(width, height);
    view.x = x + width / 2;
    view.y = y + height / 2;
    show();
  };
  const divide = (at) => { view.at = clamp(at, 0, 1); show(); };
  const divideAt = (clientX) => {
    const box = stage.getBoundingClientRect();
    divide((clientX - box.left - stage.clientLeft) / stage.clientWidth);
  };

  divider.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 0.1 : 0.01;
    const to = {
      ArrowLeft: view.at - step, ArrowDown: view.at - step, ArrowRight: view.at + step,
      ArrowUp: view.at + step, PageDown: view.at - 0.1, PageUp: view.at + 0.1, Home: 0, End: 1,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    divide(to);
  });
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const far = 40 / unit();
    const move = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far],
      ArrowDown: [0, far] }[event.key];
    const steps = { "+": 1, "=": 1, "-": -1 }[event.key];
    if (!move && !steps) return;
    event.preventDefault();
    if (steps) return zoomBy(steps);
    view.x += move[0];
    view.y += move[1];
    show();
  });

  // One pointer drags the divider, or the pictures where they are larger than the stage (else
  // the divider as well); two zoom.
  const pointers = new Map();
  let slides = false, spread = 0;
  const apart = () => {
    const [a, b] = [...pointers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) spread = apart();
    const fits = W * unit() <= stage.clientWidth && H * unit() <= stage.clientHeight;
    slides = pointers.size === 1 && (fits || event.target === divider);
    if (slides && event.target !== divider) divideAt(event.clientX);
    stage.classList.toggle("dragged", !slides);
    if (slides) divider.focus({ focusVisible: false });
    else stage.focus({ focusVisible: false });
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const dx = event.clientX - last.x, dy = event.clientY - last.y;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pointers.size === 2) {
      const ratio = apart() / spread;
      if (ratio > 1.35 || ratio < 1 / 1.35) {
        const [a, b] = [...pointers.values()];
        zoomBy(ratio > 1 ? 1 : -1, (a.x + b.x) / 2, (a.y + b.y) / 2);
        spread = apart();
      }
    } else if (slides) {
      divideAt(event.clientX);
    } else {
      view.x -= dx / unit();
      view.y -= dy / unit();
      show();
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    stage.addEventListener(kind, (event) => {
      pointers.delete(event.pointerId);
      stage.classList.remove("dragged");
    });
  }
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    zoomBy(event.deltaY < 0 ? 1 : -1, event.clientX, event.clientY);
  }, { passive: false });

  by("in").addEventListener("click", () => zoomBy(1));
  by("out").addEventListener("click", () => zoomBy(-1));
  by("whole").addEventListener("click", () => look(0, 0, W, H));
  by("place").addEventListener("click", () => look(...crop));
  by("swap").addEventListener("click", () => {
    const { left, right } = choice;
    [left.value, right.value] = [right.value, left.value];
    choose();
  });
  for (const side of ["left", "right"]) {
    pictures.forEach((picture, number) => {
      choice[side].append(new Option(picture.name, String(number)));
    });
    choice[side].addEventListener("change", choose);
  }
  // LR, the models, HR: the first and the last model, or LR and the only one.
  const models = pictures.map((_, number) => number)
    .filter((number) => !["LR", "HR"].includes(pictures[number].name));
  choice.left.value = String(models.length > 1 ? models[0] : 0);
  choice.right.value = String(models[models.length - 1]);
  by("slider").hidden = false;
  choose();
  look(...crop);
  window.addEventListener("resize", show);
})();
