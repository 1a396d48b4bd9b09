// Who works by keyboard stays where they are when a part of the page is swapped: what had the focus, as it has come anew, else
// what stands in its place: the same button by its words, the button of the same form, the first of the nearest part that is
// still there, and at last the page itself.
const CAN = "a[href], button:not(:disabled), input:not(:disabled, [type=hidden]), select, textarea, summary";
const says = (part) => `${part.tagName} ${part.getAttribute("aria-label") || part.name || part.textContent.replace(/\s+/g, " ").trim()}`;
const seen = (part) => Boolean(part) && part.checkVisibility({ visibilityProperty: true });
let last = null; // what had the focus last: it may have been left with Escape, which then closed a form
let lost = null; // it, while it is swapped

function told(part) {
  const around = [];
  for (let up = part; up; up = up.parentElement) if (up.id) around.push(up.id);
  return { part, around, says: says(part), action: part.form?.getAttribute("action") };
}

function stand({ part, around, says: said, action }) {
  const same = part.id ? document.getElementById(part.id) : null;
  if (seen(same) && same.matches(CAN)) return same;
  for (const id of around) {
    const here = document.getElementById(id);
    if (!here) continue;
    const parts = [...here.querySelectorAll(CAN)].filter(seen);
    const found = parts.find((one) => says(one) === said)
      ?? (action && parts.find((one) => one.type === "submit" && one.form?.getAttribute("action") === action));
    if (found) return found;
    if (parts.length && id !== "main") return parts[0];
  }
  return null;
}

document.addEventListener("focusin", (event) => {
  if (event.target.matches(CAN)) last = event.target;
});
document.addEventListener("htmx:before:swap", (event) => {
  const mine = document.activeElement !== document.body;
  const asked = event.detail.ctx.sourceElement; // what comes live takes the focus from nobody
  lost = last?.isConnected && (mine ? last === document.activeElement : !asked?.matches?.("[data-live]")) ? told(last) : null;
});
document.addEventListener("htmx:after:swap", () => {
  queueMicrotask(() => { // what a page's own module gives the focus to goes before
    if (!lost || lost.part.isConnected || document.activeElement !== document.body) return;
    const part = stand(lost);
    lost = null;
    if (part) part.focus();
    else document.getElementById("main").focus({ preventScroll: true });
  });
});
