// The curves of the compared searches in one chart.

import { draw, joined } from "./chart.js";

const element = document.querySelector("#curves-chart");
const names = JSON.parse(element.dataset.names);
const curves = JSON.parse(element.dataset.curves);
const drawn = curves.map((c, i) => ({ x: c.children ?? [], y: c.best ?? [], label: names[i], colour: `--s${i}` })).filter((c) => c.x.length);
if (drawn.length) draw(element, joined(drawn), drawn, "Children");
else element.firstElementChild.textContent = "None of these searches has trained a child yet.";
