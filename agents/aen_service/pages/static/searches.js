// The list of searches follows the stream of their changes; two to eight of them are chosen to be compared.

import { follow, refresh, throttled } from "./page.js";

function count() {
  for (const form of document.querySelectorAll("form[data-compare]")) {
    const chosen = form.querySelectorAll("[name=search]:checked").length;
    const button = form.querySelector("#compare");
    if (!button) continue;
    button.disabled = chosen < 2 || chosen > 8;
    button.textContent = chosen === 0 ? "Choose two to eight to compare" : chosen > 8 ? `${chosen} chosen: at most 8` : chosen < 2 ? "Choose one more to compare" : `Compare ${chosen}`;
  }
}

document.addEventListener("change", count);
addEventListener("pageshow", count);
count();
if (document.querySelector("[data-part=table]")) {
  const update = throttled(async () => { await refresh(); count(); }, 1000);
  follow("/api/v1/events", update, update);
}
