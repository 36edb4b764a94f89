// The first link has the token behind the #, which no browser sends: it is taken from there, and the address cleaned.

// The link may also be pasted while this page is shown: then only the part behind the # changes.
addEventListener("hashchange", () => location.hash.length > 1 && location.reload());

const token = decodeURIComponent(location.hash.slice(1));
const problem = document.querySelector("#problem");
if (token) {
  history.replaceState(null, "", location.pathname + location.search);
  const field = document.querySelector("#token");
  field.disabled = true;
  try {
    const answer = await fetch("/api/v1/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ token }) });
    if (answer.ok) location.replace(document.querySelector("[name=next]").value);
    else problem.textContent = (await answer.json()).detail;
  } catch {
    problem.textContent = "The service cannot be reached.";
  }
  field.disabled = false;
} else {
  // A link from elsewhere, such as a chat, comes without the cookie; asked by this page, the service sees it.
  const address = new URL(location.href);
  address.searchParams.set("session", "1");
  const answer = await fetch(address).catch(() => null);
  if (answer?.redirected) location.replace(document.querySelector("[name=next]").value);
}
