// What every page has. Each page's own module is named by its template.
import "./live.js";
import "./keys.js";
import "./time.js";
import "./focus.js";

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

// What is under way is not sent a second time by the same button: a double click made two keys, and showed the secret of one.
// Forms that a module of the page sends by itself are its own matter.
let sent = new WeakMap(); // form -> the button
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (sent.has(form) && sent.get(form) === event.submitter) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  sent.set(form, event.submitter);
  setTimeout(() => { if (event.defaultPrevented && !form.matches("[data-htmx-powered]")) sent.delete(form); });
}, true);
document.addEventListener("htmx:finally:request", (event) => sent.delete(event.detail.ctx.sourceElement));
addEventListener("pageshow", () => { sent = new WeakMap(); });
