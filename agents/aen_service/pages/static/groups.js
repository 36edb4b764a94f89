// The picture of tied weights: one pixel for each, in the colour of its orbit.

import { colour } from "./page.js";

function paint() {
  for (const canvas of document.querySelectorAll("canvas.tied:not([data-painted])")) {
    const rows = JSON.parse(canvas.dataset.orbits);
    canvas.dataset.painted = "";
    const context = canvas.getContext("2d");
    rows.forEach((row, y) => row.forEach((orbit, x) => {
      context.fillStyle = orbit < 0 ? colour("--page") : `hsl(${(orbit * 137.508) % 360} ${55 + 15 * (orbit % 3)}% ${58 + 9 * (Math.floor(orbit / 3) % 3)}%)`;
      context.fillRect(x, y, 1, 1);
    }));
  }
}

paint();
new MutationObserver(paint).observe(document.querySelector("[data-part=group]"), { childList: true });
