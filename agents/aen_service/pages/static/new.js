// The form of a new search is checked as one types: the server renders the page of its address, with what it will cost.

import { refresh } from "./page.js";

const form = document.querySelector("#new");
const check = form.querySelector(".check");
let timer = null;

// The address that holds what was changed, and nothing else.
function address() {
  const query = new URLSearchParams();
  for (const field of form.elements) {
    if (!field.name || field.name === "once" || field.disabled) continue;
    if (field.value.trim() !== (field.dataset.base ?? "").trim()) query.append(field.name, field.value.trim());
  }
  return `${location.pathname}${query.size ? `?${query}` : ""}`;
}

async function update(whole) {
  const target = address();
  history.replaceState(null, "", target);
  check.classList.add("busy");
  await refresh(target, (part) => whole || part !== "fields");
  check.classList.remove("busy");
}

form.addEventListener("input", (event) => {
  const field = event.target;
  field.closest(".field")?.classList.toggle("changed", "base" in field.dataset && field.name.includes(".") && field.value.trim() !== field.dataset.base);
  clearTimeout(timer);
  timer = setTimeout(() => update(false), 250);
});
form.addEventListener("change", (event) => {
  if (!("whole" in event.target.dataset)) return;
  clearTimeout(timer);
  update(true);
});
