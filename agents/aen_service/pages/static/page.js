// The page fetched again, and its parts that changed put in place: what the server renders is the only markup.

const connection = document.querySelector("#connection");
let seen = new Date();
let gone = false; // what the page shows was deleted: it says so, and asks for nothing any more

export function say(text) {
  if (!connection || gone || connection.textContent === text) return;
  connection.textContent = text;
  connection.hidden = !text;
}

export function lost() {
  const time = seen.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  say(navigator.onLine ? `The service does not answer. This is the state of ${time}; trying again.` : `You are offline. This is the state of ${time}.`);
}

function found() {
  if (!navigator.onLine) return; // an answer that was on its way
  seen = new Date();
  say("");
}

// A form was sent: the page is about to go, and what it asks meanwhile may not be there any more.
let going = new AbortController();
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return; // a script answers it, or nothing changes
  going.abort();
  // After this event, or the button's name would not be sent. A second click sends nothing.
  setTimeout(() => event.target.querySelectorAll("button").forEach((button) => { button.disabled = true; }));
});
addEventListener("pageshow", () => {
  if (going.signal.aborted) going = new AbortController(); // it came back; else what the scripts asked for is on its way
  document.querySelectorAll("form[method=post] button").forEach((button) => { button.disabled = false; });
});

// The answer of a request with its whole text, or null: the service cannot be reached, or the page is about to go, which
// ends also an answer that has begun. Someone who is logged out goes to the log-in page.
export async function get(address, options = {}) {
  if (gone) return null;
  const signal = options.signal ? AbortSignal.any([options.signal, going.signal]) : going.signal;
  try {
    const answer = await fetch(address, { credentials: "same-origin", ...options, signal });
    const { ok, status, redirected, url } = answer;
    const text = await answer.text();
    found();
    if (status === 401) location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search));
    return { ok, status, redirected, url, text };
  } catch {
    if (!signal.aborted) lost();
    return null;
  }
}

export async function getJson(address) {
  const answer = await get(address, { headers: { Accept: "application/json" } });
  return answer?.ok ? JSON.parse(answer.text) : null;
}

// Put the parts of a newly fetched page in place of those that are shown, where they differ; focus and choices stay.
export function replaceParts(text, only = () => true) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!other || !only(part.dataset.part)) continue;
    if (part.className !== other.className) part.className = other.className;
    if (part.dataset.shown === other.innerHTML || part.innerHTML === other.innerHTML) continue;
    if (part.querySelector("details.menu[open]")) continue; // someone is about to press a button in it
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const key = focused && (focused.id ? `#${CSS.escape(focused.id)}` : focused.getAttribute("href") ? `a[href="${CSS.escape(focused.getAttribute("href"))}"]` : null);
    const chosen = [...part.querySelectorAll("input[type=checkbox]:checked")].map((box) => box.id);
    const open = [...part.querySelectorAll("details")].map((box) => box.open);
    part.dataset.shown = other.innerHTML;
    part.replaceChildren(...other.childNodes);
    for (const id of chosen) { const box = id && document.getElementById(id); if (box && part.contains(box)) box.checked = true; }
    if (part.dataset.part === "view") [...part.querySelectorAll("details")].forEach((box, i) => { if (open[i]) box.open = true; });
    if (key) part.querySelector(key)?.focus({ preventScroll: true });
  }
  const main = fresh.querySelector("#search");
  const shown = document.querySelector("#search");
  if (main && shown) shown.dataset.state = main.dataset.state;
  return fresh;
}

let running = null;

// Fetch an address of the page and put its parts in place; a newer call replaces one that is on its way.
export async function refresh(address = location.href, only = undefined) {
  running?.abort();
  running = new AbortController();
  const answer = await get(address, { headers: { Accept: "text/html", Prefer: "wait" }, signal: running.signal });
  if (answer?.status === 404) say("This is not there any more: it was deleted.");
  if (answer?.status === 404 && address === location.href) { // the page itself, and not what a form names
    gone = true;
    document.dispatchEvent(new Event("gone"));
  }
  if (!answer || !(answer.ok || answer.status === 422)) return null;
  if (answer.redirected && new URL(answer.url).pathname === "/login") {
    location.assign(answer.url);
    return null;
  }
  return replaceParts(answer.text, only);
}

// Call at most once in some milliseconds, and once more after the last request.
export function throttled(action, milliseconds) {
  let timer = null, busy = false, again = false;
  async function run() {
    busy = true; again = false;
    try { await action(); } finally {
      timer = setTimeout(() => { busy = false; timer = null; if (again) run(); }, milliseconds);
    }
  }
  return () => { if (busy) again = true; else run(); };
}

export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function onScheme(action) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", action);
}

// Follow a stream of events. Without one (too many watch, a proxy drops it) the page is asked every few seconds. A tab
// that nobody sees for a while has no stream: a browser keeps at most six connections to a server.
export function follow(address, onEvent, poll) {
  let source = null, polling = null, leaving = null;
  function close() {
    source?.close();
    source = null;
    clearInterval(polling);
    polling = null;
  }
  function open() {
    close();
    if (gone) return;
    const mine = (source = new EventSource(address));
    mine.onopen = () => { found(); clearInterval(polling); polling = null; onEvent(); };
    mine.onerror = () => {
      if (source !== mine) return;
      polling ??= setInterval(poll, 3000);
      if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (source === mine) open(); }, 15000);
    };
    for (const name of EVENTS) mine.addEventListener(name, onEvent);
  }
  addEventListener("online", () => { open(); poll(); });
  addEventListener("pageshow", (event) => { if (event.persisted) { open(); poll(); } });
  addEventListener("pagehide", close);
  document.addEventListener("gone", close);
  document.addEventListener("submit", () => { if (going.signal.aborted) close(); });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(close, 10000);
    else if (!source) { open(); poll(); }
  });
  open();
}

const EVENTS = ["message", "search", "removed", "started", "ended", "stage_started", "visited", "trained", "retrained", "slice_trained", "child_logged", "worker_logged", "notice", "space_logged", "agent_logged"];
