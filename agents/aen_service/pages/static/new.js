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
  const fresh = await refresh(target, (part) => whole || part !== "fields");
  if (!fresh) return; // a newer one is on its way, or the service cannot be reached
  check.classList.remove("busy");
  if (check.querySelector("[data-pending]")) again(2000); // too many ask at the moment
}

function again(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(() => update(false), milliseconds);
}

form.addEventListener("input", (event) => {
  const field = event.target;
  field.closest(".field")?.classList.toggle("changed", "base" in field.dataset && field.name.includes(".") && field.value.trim() !== field.dataset.base);
  again(250);
});
form.addEventListener("change", (event) => {
  if (!("whole" in event.target.dataset)) return;
  clearTimeout(timer);
  update(true);
});
