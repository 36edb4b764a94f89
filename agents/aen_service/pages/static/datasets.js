// Uploading with a bar that shows how far it is, and the samples of a data set.

import { getJson } from "./page.js";

const form = document.querySelector("#upload");
if (form) {
  const [file, name, bar, problem, button] = ["#file", "#data-name", "#progress", "#upload-problem", "button"].map((s) => form.querySelector(s));
  file.addEventListener("change", () => {
    if (!name.value && file.files[0]) name.value = file.files[0].name.replace(/\.[^.]*$/, "").slice(0, 100);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    problem.textContent = "";
    bar.hidden = false;
    button.disabled = true;
    const request = new XMLHttpRequest(); // fetch does not tell how much is sent
    const failed = (text) => { problem.textContent = text; bar.hidden = true; button.disabled = false; };
    request.upload.onprogress = (e) => { if (e.lengthComputable) bar.value = e.loaded / e.total; };
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* said below */ }
      if (request.status === 201 || request.status === 200) location.assign(`/datasets/${encodeURIComponent(answer.id)}`);
      else failed(answer.detail ?? `The service answered ${request.status}.`);
    };
    request.onerror = () => failed("The upload broke off: the service cannot be reached, or refused it.");
    request.open("POST", "/api/v1/datasets");
    request.send(new FormData(form));
  });
}

const samples = document.querySelector("#sample-images");

// Drawn by hand: the policy of the page allows no images but those that have an address here.
async function drawn(text, label) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `A sample of class ${label}`);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  return canvas;
}

if (samples) {
  const found = await getJson(samples.dataset.from);
  const rows = await Promise.all((found?.classes ?? []).map(async ({ label, images }) => {
    const row = document.createElement("figure");
    row.append(Object.assign(document.createElement("figcaption"), { textContent: label }), ...(await Promise.all(images.map((image) => drawn(image, label)))));
    return row;
  }));
  if (rows.length) samples.replaceChildren(...rows);
  else samples.firstElementChild.textContent = "There are no samples.";
}
