// Curves by uPlot in the page's colours. They follow the width, and are drawn again when light and dark change.

import { colour, onScheme } from "./page.js";

const percent = (value) => (value == null ? "–" : `${(100 * value).toFixed(1)} %`);

function axes() {
  const line = { stroke: colour("--line"), width: 1 };
  const base = { stroke: colour("--muted"), grid: line, ticks: line, font: "12px system-ui, sans-serif" };
  return [{ ...base, values: (_, ticks) => ticks.map((t) => t.toLocaleString("en")) }, { ...base, size: 62, values: (_, ticks) => ticks.map((t) => `${+(100 * t).toFixed(2)} %`) }];
}

// Draw `data` ([xs, ys, ...]) in an element; series: [{label, colour: "--s0", points: true}].
export function draw(element, data, series, xLabel) {
  let plot = null;
  const make = () => {
    plot?.destroy();
    element.replaceChildren();
    plot = new window.uPlot({
      width: Math.max(element.clientWidth, 200),
      height: Math.max(220, Math.min(340, element.clientWidth * 0.42)),
      scales: { x: { time: false } },
      cursor: { y: false, drag: { x: true, y: false } },
      legend: { live: true, markers: { width: 0, fill: (_, i) => (i ? colour(series[i - 1].colour) : null) } },
      axes: axes(),
      series: [
        { label: xLabel, value: (_, v) => (v == null ? "–" : v.toLocaleString("en")) },
        ...series.map((s) => ({
          label: s.label, stroke: colour(s.colour), width: s.points ? 0 : 2, spanGaps: true, value: (_, v) => percent(v),
          points: s.points ? { show: true, size: 4, fill: colour(s.colour), stroke: colour(s.colour), width: 0 } : { show: false },
          paths: s.points ? () => null : window.uPlot.paths.stepped({ align: 1 }),
        })),
      ],
    }, data, element);
  };
  make();
  new ResizeObserver(() => { if (Math.abs(plot.width - element.clientWidth) > 4) plot.setSize({ width: Math.max(element.clientWidth, 200), height: plot.height }); }).observe(element);
  onScheme(make);
  return (fresh) => { data = fresh; plot.setData(fresh); };
}

// The values of several curves, each with an x of its own, as columns of one table.
export function joined(curves) {
  return window.uPlot.join(curves.map(({ x, y }) => [x, y]));
}
