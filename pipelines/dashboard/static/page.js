// What the page does without being asked: it keeps itself up to date, and follows a push until it is settled.
"use strict";

// A board on a wall refreshes itself; never under somebody's hands, and never while it is not seen.
const seconds = Number(document.body.dataset.refresh || 0);
if (seconds) {
  let touched = 0;
  for (const kind of ["keydown", "pointerdown", "wheel"]) {
    addEventListener(kind, () => { touched = Date.now(); }, { passive: true });
  }
  setInterval(async () => {
    if (document.hidden || Date.now() - touched < seconds * 1000) return;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) { location.reload(); return; }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.querySelector("footer").replaceWith(fresh.querySelector("footer"));
      document.body.classList.remove("stale");
    } catch { document.body.classList.add("stale"); }
  }, seconds * 1000);
}

// A receipt's page follows its push until it is settled.
if (document.body.dataset.follow) {
  const timer = setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(document.body.dataset.follow);
      if (!answer.ok || (await answer.json()).state !== "received") { clearInterval(timer); location.reload(); }
    } catch { /* the connection may come back: ask again */ }
  }, 2000);
}

// Uploading: drop or choose a file, see its progress, arrive at its receipt.
const upload = document.getElementById("upload");
if (upload) {
  const drop = upload.querySelector(".drop"), input = upload.elements.file, button = upload.querySelector("button");
  const progress = upload.querySelector(".upload-progress"), fault = upload.querySelector(".fault");
  const size = (bytes) => bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
  const fail = (words) => { fault.textContent = words; fault.hidden = false; progress.hidden = true; button.disabled = false; };
  const show = () => {
    const file = input.files[0];
    fault.hidden = true;
    upload.querySelector(".drop-file").textContent = file ? `${file.name} · ${size(file.size)}` : "";
  };
  input.addEventListener("change", show);
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) { input.files = event.dataTransfer.files; show(); }
  });
  upload.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = input.files[0], words = upload.dataset;
    if (!file) return;
    if (!file.size) { fail(words.empty); return; }
    if (file.size > Number(words.most)) { fail(words.tooLarge); return; }
    const request = new XMLHttpRequest(), bar = progress.querySelector("progress"), told = progress.querySelector("span");
    request.open("POST", `${words.address}?data_date=${encodeURIComponent(upload.elements.data_date.value)}`);
    request.setRequestHeader("X-CSRF-Token", words.token);
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    // the same file of the same day is one push, however often the connection breaks
    const same = `${upload.elements.data_date.value} ${file.size} ${file.lastModified} ${encodeURIComponent(file.name)}`;
    request.setRequestHeader("Idempotency-Key", same.slice(0, 200));
    request.upload.onprogress = (step) => {
      bar.value = 100 * step.loaded / step.total;
      told.textContent = step.loaded < step.total ? `${size(step.loaded)} / ${size(step.total)}` : words.landing;
    };
    request.onerror = () => fail(words.broken);
    request.onload = () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* told by its status below */ }
      if (request.status === 201) location.assign(answer.address);
      else fail(answer.reason || `${words.broken} (${request.status})`);
    };
    fault.hidden = true; progress.hidden = false; button.disabled = true;
    request.send(file);
  });
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
