// The lattice of classes, and their accuracy against parameters, as SVG that mouse, touch and keyboard can reach.

import { colour } from "./page.js";

const NS = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)} %`);

function rgb(text) {
  const n = parseInt(text.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

// Colours of accuracies: from the lowest to the highest that is shown.
export function scale(values) {
  const [low, high] = [rgb(colour("--low")), rgb(colour("--high"))];
  const [from, to] = [Math.min(...values), Math.max(...values)];
  return (value) => {
    const share = to > from ? (value - from) / (to - from) : 1;
    return `rgb(${low.map((c, i) => Math.round(c + share * (high[i] - c))).join(" ")})`;
  };
}

const named = (node) => `${node.name || "untied"}: ${node.accuracy == null ? "not visited" : percent(node.accuracy)}${node.group ? `, ${node.group}` : ""}${node.role ? `, ${node.role}` : ""}`;

// Circles at places; one is in the order of tabs, arrows move to the nearest one in their direction.
function circles(places, nodes, shade, radius, onChoose, inTabs) {
  const group = svg("g", {});
  const items = places.map(([x, y], i) => {
    const node = nodes[i];
    const item = svg("g", { role: "button", tabindex: inTabs(i) ? 0 : -1, "aria-label": named(node), "aria-pressed": "false", "data-class": node.class_key, ...(node.accuracy == null ? { class: "none" } : {}) });
    const circle = svg("circle", { cx: x, cy: y, r: radius });
    if (node.accuracy != null) circle.setAttribute("fill", shade(node.accuracy));
    item.append(svg("title", {}, named(node)), circle);
    return item;
  });
  // Those with a role come last, so that no other circle covers them.
  const order = items.map((_, i) => i).sort((a, b) => Boolean(nodes[a].role) - Boolean(nodes[b].role));
  for (const i of order) {
    group.append(items[i]);
    if (nodes[i].role === "winner") group.append(svg("text", { x: places[i][0], y: places[i][1] - radius - 4, "text-anchor": "middle", class: "role-mark", "aria-hidden": "true" }, "winner"));
  }
  const move = (item) => {
    for (const other of items) other.tabIndex = other === item ? 0 : -1;
    item.focus();
  };
  group.addEventListener("click", (event) => {
    const item = event.target.closest("[data-class]");
    if (item) { move(item); onChoose(item.dataset.class); }
  });
  group.addEventListener("keydown", (event) => {
    const at = items.indexOf(event.target.closest("[data-class]"));
    if (at < 0) return;
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); onChoose(items[at].dataset.class); return; }
    const [dx, dy] = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (!dx && !dy) return;
    event.preventDefault();
    let best = -1, least = Infinity;
    places.forEach(([x, y], i) => {
      const [along, across] = [(x - places[at][0]) * dx + (y - places[at][1]) * dy, Math.abs((x - places[at][0]) * dy) + Math.abs((y - places[at][1]) * dx)];
      if (along > 0.5 && along + 2.5 * across < least) { least = along + 2.5 * across; best = i; }
    });
    if (best >= 0) move(items[best]);
  });
  return { group, items };
}

function entry(nodes) {
  const winner = nodes.findIndex((n) => n.role === "winner");
  return winner >= 0 ? winner : nodes.reduce((best, n, i) => ((n.accuracy ?? -1) > (nodes[best].accuracy ?? -1) ? i : best), 0);
}

export function drawLattice(element, { nodes, edges }, onChoose) {
  const values = nodes.map((n) => n.accuracy).filter((v) => v != null);
  const shade = scale(values);
  const wide = element.clientWidth > 500;
  const [width, height] = wide ? [900, 520] : [420, 460];
  const rows = new Map();
  for (const n of nodes) rows.set(n.y, (rows.get(n.y) ?? 0) + 1);
  const radius = Math.max(2.2, Math.min(9, (0.44 * (width - 40)) / Math.max(...rows.values())));
  const place = (n) => [20 + n.x * (width - 40), 32 + n.y * (height - 56)];
  const places = nodes.map(place);
  const lines = edges.map(([a, b]) => `M${places[a].map(Math.round).join(" ")}L${places[b].map(Math.round).join(" ")}`).join("");
  const first = entry(nodes);
  const drawn = circles(places, nodes, shade, radius, onChoose, (i) => i === first);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Lattice of ${nodes.length} classes; arrow keys move, Enter chooses` }, svg("path", { d: lines, class: "edge" }), drawn.group);
  element.replaceChildren(...(values.length ? [legend(values, nodes.length)] : []), picture);
}

function legend(values, count) {
  const box = document.createElement("div");
  box.className = "scale";
  const gradient = svg("linearGradient", { id: "scale" }, svg("stop", { offset: 0, class: "from" }), svg("stop", { offset: 1, class: "to" }));
  const picture = svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("defs", {}, gradient), svg("rect", { width: 100, height: 8, rx: 2, fill: "url(#scale)" }));
  box.append(percent(Math.min(...values)), picture, percent(Math.max(...values)), ` · ${values.length} of ${count} classes visited`);
  return box;
}

export function drawScatter(element, { nodes }, onChoose) {
  const shown = nodes.filter((n) => n.accuracy != null && n.parameters > 0);
  if (!shown.length) { element.replaceChildren(); return; }
  const wide = element.clientWidth > 500;
  const [width, height, left, bottom] = [wide ? 900 : 420, wide ? 380 : 320, 58, 34];
  const xs = shown.map((n) => Math.log10(n.parameters));
  const ys = shown.map((n) => n.accuracy);
  const range = (values, least) => { const [a, b] = [Math.min(...values), Math.max(...values)]; const gap = Math.max((b - a) * 0.06, least); return [a - gap, b + gap]; };
  const [x0, x1] = range(xs, 0.05);
  const [y0, y1] = range(ys, 0.005);
  const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - 14);
  const py = (y) => height - bottom - ((y - y0) / (y1 - y0)) * (height - bottom - 14);
  const parts = [];
  const step = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5].find((s) => (y1 - y0) / s <= 6) ?? 1;
  for (let y = Math.ceil(y0 / step) * step; y <= y1; y += step) parts.push(svg("line", { x1: left, x2: width - 14, y1: py(y), y2: py(y), class: "grid-line" }), svg("text", { x: left - 8, y: py(y) + 4, "text-anchor": "end", class: "axis" }, `${+(100 * y).toFixed(1)} %`));
  const ticks = [];
  for (let power = Math.floor(x0); power <= x1; power++) for (const m of x1 - x0 > 2 ? [1] : [1, 2, 5]) ticks.push(m * 10 ** power);
  for (const t of ticks.filter((t) => Math.log10(t) >= x0 && Math.log10(t) <= x1)) parts.push(svg("text", { x: px(Math.log10(t)), y: height - bottom + 18, "text-anchor": px(Math.log10(t)) > width - 40 ? "end" : "middle", class: "axis" }, t.toLocaleString("en")));
  parts.push(svg("text", { x: width - 14, y: height - 2, "text-anchor": "end", class: "axis" }, "parameters"));
  const places = shown.map((n) => [px(Math.log10(n.parameters)), py(n.accuracy)]);
  const first = entry(shown);
  const drawn = circles(places, shown, scale(ys), 5, onChoose, (i) => i === first);
  element.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Accuracy against parameters of ${shown.length} classes; arrow keys move, Enter chooses` }, ...parts, drawn.group));
}

export function mark(root, key) {
  for (const item of root.querySelectorAll("[data-class]")) item.setAttribute("aria-pressed", String(item.dataset.class === key));
}
