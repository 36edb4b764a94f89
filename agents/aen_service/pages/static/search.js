// A search: its parts follow the stream of its events; curve, lattice and panel are drawn here.

import { follow, get, getJson, onScheme, refresh, throttled } from "./page.js";

const search = document.querySelector("#search");
const id = search.dataset.search;
const overview = search.dataset.view === "overview";
const ended = () => ["complete", "stopped", "failed", "lost"].includes(search.dataset.state);

let redraw = null;
let drawCurve = async () => {};
let drawSpace = async () => {};

if (overview) {
  const { draw } = await import("./chart.js");
  const { drawLattice, drawScatter, mark, percent } = await import("./lattice.js");
  const curve = document.querySelector("#curve");
  const space = document.querySelector("#space");
  const [lattice, scatter, panel] = ["#lattice", "#scatter", "#panel"].map((s) => document.querySelector(s));
  let shown = null;
  let last = "";

  drawCurve = async () => {
    const found = await getJson(curve.dataset.from);
    if (!found) return;
    if (!found.children.length) { if (!redraw) curve.firstElementChild.textContent = "No child has been trained yet."; return; }
    const data = [found.children, found.accuracy, found.best];
    if (redraw) redraw(data);
    else redraw = draw(curve, data, [{ label: "each child", colour: "--grey", points: true }, { label: "best so far", colour: "--s0" }], "Children");
    const best = found.best.at(-1);
    curve.setAttribute("aria-label", `Learning curve: after ${found.children.at(-1)} children the best has ${percent(best)}`);
  };

  const choose = (key, { keep = true } = {}) => {
    const node = shown?.nodes.find((n) => n.class_key === key);
    mark(space, node ? key : null);
    if (keep) {
      const address = new URL(location.href);
      address.searchParams.set("class", key);
      history.replaceState(null, "", address);
    }
    if (!node) return;
    const rows = [["Accuracy", percent(node.accuracy)], ["Group", node.group || "–"], ["Parameters", node.parameters == null ? "–" : node.parameters.toLocaleString("en")], ["Role", node.role || "–"]];
    const title = document.createElement("h3");
    title.textContent = node.name || "untied";
    const list = document.createElement("dl");
    list.className = "facts stacked";
    for (const [name, value] of rows) {
      const row = document.createElement("div");
      row.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
      list.append(row);
    }
    const link = Object.assign(document.createElement("a"), { textContent: "Its children", href: `/searches/${encodeURIComponent(id)}?view=children&name=${encodeURIComponent(node.name || "")}` });
    panel.replaceChildren(title, list, link);
  };

  const paint = () => {
    if (!shown) return;
    const focused = space.contains(document.activeElement) ? document.activeElement.closest("[data-class]") : null;
    const [key, inScatter] = [focused?.dataset.class, scatter.contains(focused)];
    drawLattice(lattice, shown, choose);
    drawScatter(scatter, shown, choose);
    const chosen = new URLSearchParams(location.search).get("class");
    if (chosen) choose(chosen, { keep: false });
    if (key) (inScatter ? scatter : lattice).querySelector(`[data-class="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  };

  drawSpace = async () => {
    const answer = await get(space.dataset.from, { headers: { Accept: "application/json" } });
    if (!answer?.ok) { space.hidden = Boolean(answer); return; }
    if (answer.text === last) return;
    last = answer.text;
    const found = JSON.parse(last);
    space.hidden = !found.nodes?.length;
    if (space.hidden) return;
    shown = found;
    paint();
  };
  onScheme(paint);
  let width = lattice.clientWidth;
  new ResizeObserver(() => { if ((width > 500) !== (lattice.clientWidth > 500)) { width = lattice.clientWidth; paint(); } }).observe(lattice);
  await drawCurve();
  await drawSpace();
}

const update = throttled(async () => {
  await refresh();
  if (overview) await drawCurve();
  if (ended()) await drawSpace();
}, 1000);
// The lattice is larger than the rest, and changes slowly.
const updateSpace = throttled(async () => { if (overview && !document.hidden) await drawSpace(); }, 5000);
follow(`/api/v1/searches/${encodeURIComponent(id)}/events`, () => { update(); updateSpace(); }, () => { update(); updateSpace(); });
