"use strict";
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

  // A custom property is only resolved where it is used.
  const color = (name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };

  const config = (width) => {
    const [ink, faint, line] = ["--ink", "--faint", "--line"].map(color);
    const text = { labelColor: faint, titleColor: ink, titleFontWeight: "normal" };
    return {
      background: "transparent",
      font: "system-ui, sans-serif",
      view: { stroke: "transparent" },
      axis: { ...text, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12 },
      legend: { ...text, orient: width > 700 ? "right" : "bottom", direction: "vertical", labelLimit: Math.min(320, width - 40), labelFontSize: 12, symbolOpacity: 1 },
      header: text,
      rule: { color: ink },
    };
  };

  const views = new Map();
  const draw = async (place) => {
    const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
    try {
      views.get(place)?.finalize();
      views.set(place, await vegaEmbed(place, spec, {
        actions: false,
        renderer: spec.usermeta?.canvas ? "canvas" : "svg",
        config: config(place.clientWidth),
        tooltip: { theme: isDark() ? "dark" : "light" },
      }));
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `This chart cannot be drawn: ${error.message}`;
      console.error(error);
    }
  };

  // A page may have dozens of charts: each is drawn when it is about to be seen.
  const places = [...document.querySelectorAll(".chart")];
  const seen = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      seen.unobserve(entry.target);
      draw(entry.target);
    }),
    { rootMargin: "800px" },
  );
  places.forEach((place) => seen.observe(place));
  const redraw = () => places.filter((place) => place.dataset.drawn).forEach(draw);
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => places.forEach(draw));
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    redraw();
  });

  const compare = (column) => {
    const key = (row) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim();
    };
    return (first, second) => {
      const [a, b] = [key(first), key(second)];
      if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
      return typeof a === "number" ? 1 : -1;
    };
  };

  // The first click shows the largest first, and what has no value last.
  const sort = (head) => {
    const row = head.parentElement;
    const body = row.closest("table").tBodies[0];
    const down = head.getAttribute("aria-sort") !== "descending";
    const rows = [...body.rows].sort(compare(head.cellIndex));
    [...row.cells].forEach((cell) => cell.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    body.append(...(down ? rows.reverse() : rows));
  };
  document.querySelectorAll("thead th").forEach((head) => {
    head.querySelector("button").addEventListener("click", () => sort(head));
  });
})();
