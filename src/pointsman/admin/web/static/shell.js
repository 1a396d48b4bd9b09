// What every page has. Each page's own module is named by its template.
import "./live.js";
import "./keys.js";
import "./time.js";

// Said ten seconds, then only in the audit; not while it is pointed at or has the focus.
function fade(box) {
  let left = 10;
  const tick = setInterval(() => {
    if (!box.isConnected) return clearInterval(tick);
    if (box.matches(":hover, :focus-within") || document.hidden) return;
    if (--left === 0) box.classList.add("is-over");
    if (left < 0) { clearInterval(tick); box.remove(); }
  }, 1000);
}

function look() {
  for (const box of document.querySelectorAll("[data-fades]:not([data-fading])")) {
    box.dataset.fading = "";
    fade(box);
  }
}
look();
document.addEventListener("htmx:after:swap", look);
