// Cards of an ordered list are moved: by the grip with a pointer (drag), with keys (Space, arrows, Space; Esc puts back), or by
// Alt and an arrow on whatever of a card has the focus. What a move is the server knows: `3 before 5` is sent as the form
// #move sends it. Without a script the same is in each card's menu.
const list = () => document.getElementById("rules");
const cards = () => [...list().querySelectorAll(":scope > [data-rule]")];
const say = (text) => { document.getElementById("spoken").textContent = text; };
const place = (card) => `${card.dataset.name}, position ${cards().indexOf(card) + 1} of ${cards().length}`;
let held = null; // { card, next, how }: what is being moved, and before which card it stood
let refocus = ""; // id of what gets the focus once the page is swapped in

function send(card) {
  const all = cards(), at = all.indexOf(card);
  const put = at + 1 < all.length ? `${card.dataset.rule} before ${all[at + 1].dataset.rule}` : `${card.dataset.rule} after ${all[at - 1].dataset.rule}`;
  stale = false; // the answer is the whole page
  const form = document.getElementById("move");
  const field = Object.assign(document.createElement("input"), { type: "hidden", name: "put", value: put });
  form.replaceChildren(field);
  refocus = `grip-${card.dataset.rule}`;
  form.requestSubmit();
}

function take(card, how) {
  held = { card, how, next: card.nextElementSibling };
  card.classList.add("moving");
}

function drop(kept) {
  const { card, next } = held;
  held = null;
  card.classList.remove("moving");
  card.querySelector(".grip").removeAttribute("aria-pressed");
  if (kept && card.nextElementSibling !== next) return send(card), true;
  if (card.nextElementSibling !== next) list().insertBefore(card, next);
  if (stale) list().dispatchEvent(new CustomEvent("live"));
  stale = false;
  return false;
}

function shift(card, by) {
  const other = by < 0 ? card.previousElementSibling : card.nextElementSibling;
  if (!other?.matches("[data-rule]")) return false;
  const focus = document.activeElement;
  list().insertBefore(by < 0 ? card : other, by < 0 ? other : card);
  focus?.focus(); // an element that moves in the document loses it
  card.scrollIntoView({ block: "nearest" });
  return true;
}

// -- pointer

document.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest?.(".grip");
  if (!grip || event.button !== 0 || held) return;
  const card = grip.closest("[data-rule]");
  if (!card) return;
  event.preventDefault();
  grip.focus();
  const all = list();
  all.setPointerCapture(event.pointerId); // not the grip: what moves in the document loses it
  take(card, "pointer");
  const edge = 60;
  let y = event.clientY, frame = 0;
  const rule = (one) => one?.matches("[data-rule]");
  const middle = (one) => { const box = one.getBoundingClientRect(); return box.top + box.height / 2; };
  const follow = () => { // looks at the cards that were passed, and moves once
    let next = card.nextElementSibling, before = card.previousElementSibling;
    while (rule(next) && y > middle(next)) next = next.nextElementSibling;
    if (next === card.nextElementSibling) while (rule(before) && y < middle(before)) { next = before; before = before.previousElementSibling; }
    if (next !== card.nextElementSibling) list().insertBefore(card, next);
  };
  const each = () => { // a frame: a pointer tells more often
    const by = y < edge ? y - edge : y > innerHeight - edge ? y - innerHeight + edge : 0;
    if (by) scrollBy(0, by / 3);
    follow();
    frame = requestAnimationFrame(each);
  };
  const moved = (next) => { y = next.clientY; };
  const over = (kept) => () => {
    cancelAnimationFrame(frame);
    for (const [name, act] of acts) all.removeEventListener(name, act);
    if (held?.card !== card) return;
    if (kept) follow();
    drop(kept);
  };
  const acts = [["pointermove", moved], ["pointerup", over(true)], ["pointercancel", over(false)]];
  for (const [name, act] of acts) all.addEventListener(name, act);
  each();
});

// -- a card's form and menu, asked for when they are wanted; as links they are pages

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#rules [data-part]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const card = link.closest("[data-rule]"), { rule } = card.dataset;
  const [address, target] = { form: [`form?edit=${rule}`, card], menu: [`menu?rule=${rule}`, link] }[link.dataset.part];
  htmx.ajax("GET", `/ui/mappings/${address}`, { source: link, target, swap: "outerHTML" });
});

// -- keys

function keys(event) {
  const card = event.target.closest?.("[data-rule]");
  const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (card && by && event.altKey && !event.ctrlKey && !event.metaKey && !held) {
    if (shift(card, by)) send(card);
    return true;
  }
  const grip = event.target.closest?.(".grip");
  if (!grip || !card) return false;
  if (held?.how === "keys") {
    if (by) {
      if (shift(held.card, by)) say(place(held.card));
    } else if (event.key === " " || event.key === "Enter") {
      const { card: mine } = held;
      if (!drop(true)) say(`${place(mine)}. Not moved.`);
    } else if (event.key === "Escape") {
      const { card: mine } = held;
      drop(false);
      grip.focus();
      say(`${place(mine)}. Put back.`);
    } else return event.key !== "Tab";
    return true;
  }
  if (event.key !== " " && event.key !== "Enter") return false;
  take(card, "keys");
  grip.setAttribute("aria-pressed", "true");
  say(`${place(card)}. Picked up. Arrows move it, Space puts it down, Escape puts it back.`);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || !list()) return;
  if (held?.how === "pointer" && event.key === "Escape") return drop(false), event.preventDefault();
  if (keys(event)) {
    event.preventDefault();
    event.stopPropagation();
  }
}, true);

document.addEventListener("focusout", (event) => {
  if (held?.how !== "keys" || event.target !== held.card.querySelector(".grip")) return;
  setTimeout(() => { if (held?.how === "keys" && !held.card.contains(document.activeElement)) drop(false); });
});

// -- what others change meanwhile waits while something is moved or edited here

const busy = () => held || document.querySelector("[data-editing]");
let stale = false; // they have changed while one was held: looked up once it is put back

function wait() {
  const newer = document.getElementById("newer");
  if (held) stale = true;
  else if (newer) newer.hidden = false;
}

document.addEventListener("live", (event) => {
  if (event.target.id !== "rules" || !busy()) return;
  event.stopImmediatePropagation();
  wait();
}, true);

document.addEventListener("htmx:before:swap", (event) => {
  if (event.detail.ctx.sourceElement?.id !== "rules" || !busy()) return;
  event.preventDefault(); // it was asked for before that
  wait();
});

// -- after a swap

function look() {
  const hit = document.querySelector("#answer [data-hit]")?.dataset.hit;
  for (const card of document.querySelectorAll("#rules > .hit")) card.classList.toggle("hit", card.dataset.rule === hit);
  if (hit) document.getElementById(`rule-${hit}`)?.classList.add("hit");
  const wanted = refocus && document.getElementById(refocus);
  if (wanted) {
    refocus = "";
    wanted.focus();
    wanted.scrollIntoView({ block: "nearest" });
  }
  document.querySelector("[data-editing] [data-focus]")?.focus();
  const opened = document.querySelector("details.menu[open]:not([data-seen])");
  if (opened) {
    opened.dataset.seen = "";
    opened.querySelector("button")?.focus();
  }
}
document.addEventListener("htmx:after:swap", look);

// One menu at a time; it closes with Escape and by a click elsewhere.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.stopPropagation();
}, true);
