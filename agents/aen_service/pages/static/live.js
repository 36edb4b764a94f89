// On every page: forms that act while one types, and whether the service can be reached.

import { lost, say, refresh } from "./page.js";

document.documentElement.classList.add("scripted");
for (const button of document.querySelectorAll(".script-hidden")) button.hidden = true;

for (const form of document.querySelectorAll("form[data-instant]")) {
  let timer = null;
  const act = () => {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== "") query.append(name, value);
    const address = `${location.pathname}${query.size ? `?${query}` : ""}`;
    history.replaceState(null, "", address);
    refresh(address);
  };
  form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(act, 200); });
  form.addEventListener("submit", (event) => { event.preventDefault(); act(); });
}

// What takes long comes after the page.
if (document.querySelector("[data-pending]")) refresh(location.href, (part) => document.querySelector(`[data-part="${part}"] [data-pending]`));

addEventListener("offline", lost);
addEventListener("online", () => say(""));
if (!navigator.onLine) lost();
