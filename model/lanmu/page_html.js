"use strict";
(() => {
  const all = (within, selector) => [...within.querySelectorAll(selector)];

  // Arrows: out of a broken end, along the gap below its fragment, down the gutter beside the
  // column where the sentence goes on, and in at its beginning. Only where another column stands
  // between does it cross that one.

  const CORNER = 12;
  const NEXT_COLUMN = 64; // pixels: no further away than this is what begins beside a column

  function rounded(points) {
    const path = [`M${points[0]}`];
    for (let i = 1; i < points.length - 1; i += 1) {
      const [before, [x, y], after] = points.slice(i - 1, i + 2);
      const towards = ([px, py]) => {
        const length = Math.hypot(px - x, py - y) || 1;
        const step = Math.min(CORNER, length / 2) / length;
        return [x + (px - x) * step, y + (py - y) * step];
      };
      path.push(`L${towards(before)}Q${x},${y} ${towards(after)}`);
    }
    return `${path.join("")}L${points.at(-1)}`;
  }

  function draw(frame) {
    const origin = frame.getBoundingClientRect();
    const measured = (element) => {
      const boxes = [...element.getClientRects()].map((box) => ({
        left: box.left - origin.left,
        right: box.right - origin.left,
        bottom: box.bottom - origin.top,
        middle: (box.top + box.bottom) / 2 - origin.top,
      }));
      return { first: boxes[0], last: boxes.at(-1) };
    };
    all(frame, ".arrow").forEach((arrow, i) => {
      const from = document.getElementById(arrow.dataset.from);
      const to = document.getElementById(arrow.dataset.to);
      const out = measured(from.querySelector(".onto")).last;
      const into = measured(to.querySelector(".from")).first;
      const [source, target] = [measured(from).last, measured(to).first];
      const start = (out.left + out.right) / 2;
      const gap = source.bottom + 4;
      const gutter = target.left - 5 - 3 * (i % 4);
      const [tipX, tipY] = [into.left - 2, into.middle];
      const leftwards = target.left < source.left - 1;
      let path;
      if (leftwards || target.left > source.right + NEXT_COLUMN) {
        const [side, bend] = leftwards ? [source.left - 8, -60] : [source.right + 8, 60];
        path = rounded([[start, out.bottom], [start, gap], [side, gap]]);
        path += `C${side + bend},${gap} ${tipX - 60},${tipY} ${tipX},${tipY}`;
      } else {
        path = rounded([
          [start, out.bottom], [start, gap], [gutter, gap], [gutter, tipY], [tipX, tipY],
        ]);
      }
      path += "m-4 -3.5l4 3.5l-4 3.5";
      for (const line of all(arrow, "path")) line.setAttribute("d", path);
    });
  }

  for (const frame of all(document, ".frame")) {
    new ResizeObserver(() => draw(frame)).observe(frame);
    document.fonts.ready.then(() => draw(frame));
  }

  // What is under the pointer or has the focus: all the pieces of its paragraph.

  const paragraphOf = (target) => target.closest?.("[data-paragraph]")?.dataset.paragraph;

  function light(name) {
    for (const lit of all(document, ".lit")) lit.classList.remove("lit");
    if (!name) return;
    for (const part of all(document, `[data-paragraph="${name}"]`)) part.classList.add("lit");
  }
  for (const event of ["mouseover", "focusin"]) {
    document.addEventListener(event, ({ target }) => light(paragraphOf(target)));
  }

  // What is chosen by a click: all the fragments of its article.

  function choose(name) {
    for (const chosen of all(document, ".chosen, .choosing")) {
      chosen.classList.remove("chosen", "choosing");
    }
    if (!name) return;
    const parts = all(document, `[data-article="${name}"]`);
    for (const part of parts) part.classList.add("chosen");
    parts[0].closest(".page").classList.add("choosing");
  }

  document.addEventListener("click", ({ target }) => {
    if (target.closest("a") || String(getSelection())) return;
    const part = target.closest("[data-article]");
    const again = part?.classList.contains("chosen");
    choose(again ? null : part?.dataset.article);
    if (!part || again) return;
    const articles = part.closest(".page").querySelector(".articles");
    if (getComputedStyle(articles).position !== "sticky") return; // they are not in sight together
    const other = part.matches("article")
      ? document.querySelector(`.fragment[data-article="${part.dataset.article}"]`)
      : document.getElementById(part.dataset.paragraph);
    other.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") choose(null);
  });
})();
