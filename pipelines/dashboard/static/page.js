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
