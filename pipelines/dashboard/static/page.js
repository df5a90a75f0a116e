// What the page does without being asked: it keeps itself up to date, and follows a push until it is settled.
"use strict";

// A page that is slow to come says so, at once and again; a form is sent once, however often its button is pressed.
const loading = document.querySelector(".loading");
let patience = [];
const wait = () => {
  arrived();
  patience = [[200, loading.dataset.words], [4000, loading.dataset.slow]].map(([after, words]) =>
    setTimeout(() => { loading.textContent = words; document.body.setAttribute("aria-busy", "true"); }, after));
};
const arrived = () => {
  patience.forEach(clearTimeout);
  loading.textContent = "";
  document.body.removeAttribute("aria-busy");
};
addEventListener("pageshow", arrived);
addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || link.download || link.hasAttribute("download") || event.defaultPrevented) return;
  if (event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const address = new URL(link.getAttribute("href"), location.href);
  if (address.origin === location.origin && address.href.split("#")[0] !== location.href.split("#")[0]) wait();
});
addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.id === "upload") return;
  if (event.target.dataset.sent) { event.preventDefault(); return; }
  event.target.dataset.sent = "yes";
  wait();
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });

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

// Uploading, or only checking: drop or choose a file, see its progress, arrive at its receipt or read what is wrong.
const upload = document.getElementById("upload");
if (upload) {
  const drop = upload.querySelector(".drop"), input = upload.elements.file, words = upload.dataset;
  const progress = upload.querySelector(".upload-progress"), fault = upload.querySelector(".fault");
  const result = document.getElementById("result");
  const size = (bytes) => bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
  const busy = (so) => { progress.hidden = !so; for (const button of upload.querySelectorAll("button")) button.disabled = so; };
  const fail = (said) => { fault.textContent = said; fault.hidden = false; busy(false); };
  const show = () => {
    const file = input.files[0];
    fault.hidden = true;
    result.replaceChildren();
    upload.querySelector(".drop-file").textContent = file ? `${file.name} · ${size(file.size)}` : "";
  };
  const showResult = (text) => {
    result.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.children);
    result.querySelector("[tabindex]").focus();
  };
  const send = (file, check) => {
    const request = new XMLHttpRequest(), bar = progress.querySelector("progress"), told = progress.querySelector("span");
    const date = upload.elements.data_date.value;
    request.open("POST", `${check ? words.check : words.address}?data_date=${encodeURIComponent(date)}`);
    request.setRequestHeader("X-CSRF-Token", words.token);
    request.setRequestHeader("X-Filename", encodeURIComponent(file.name));
    request.setRequestHeader("Content-Type", "application/octet-stream");
    // the same file of the same day is one push, however often the connection breaks
    const same = `${date} ${file.size} ${file.lastModified} ${encodeURIComponent(file.name)}`;
    if (!check) request.setRequestHeader("Idempotency-Key", same.slice(0, 200));
    request.upload.onprogress = (step) => {
      if (step.loaded < step.total) bar.value = 100 * step.loaded / step.total;
      else bar.removeAttribute("value");  // how long the rest takes nobody knows
      const after = check ? words.checking : words.landing;
      told.textContent = step.loaded < step.total ? `${size(step.loaded)} / ${size(step.total)}` : after;
    };
    request.onerror = () => fail(words.broken);
    request.onload = () => {
      if (check && request.status === 200) { busy(false); showResult(request.responseText); return; }
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* told by its status below */ }
      if (request.status === 201) location.assign(answer.address);
      else fail(answer.reason || `${words.broken} (${request.status})`);
    };
    request.send(file);
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
    const file = input.files[0];
    if (!file) return;
    if (!file.size) { fail(words.empty); return; }
    if (file.size > Number(words.most)) { fail(words.tooLarge); return; }
    fault.hidden = true;
    busy(true);
    send(file, event.submitter?.value === "check");
  });
}

for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());
