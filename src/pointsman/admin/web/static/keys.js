// One key each for what a page has, by what it says of itself:
//   data-go="r"      a link of the menu, after g
//   data-key="n"     a button or link that the key presses, a field that it goes to. Within a data-row: of the row that has the
//                    focus. data-says: its words in the list, where its own do not say enough
//   data-row         one of the rows that j and k go through; Enter opens its first link or button
//   data-keys-more="Alt+↑ ↓: move the rule"   a line of the list for keys that a page's own module listens to
// Nothing happens in a field, with Ctrl, Alt or Meta, and where data-keys of the body is off (WCAG 2.1.4).
const WAIT = 1500; // ms between g and its letter
const PRESSED = "a[href], button, summary, [tabindex]";
let leader = 0;
let last = ""; // id of the row that j or k went to, which a swap may have made anew

const on = () => document.body.dataset.keys !== "off";
const seen = (part) => part.checkVisibility({ visibilityProperty: true }) && !part.disabled && !part.closest("[inert]");
const field = (part) => part?.isContentEditable || part?.matches?.("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=range])");

function press(part) {
  if (!field(part)) return part.click();
  part.focus();
  part.select?.();
}

function holder(key, focus) {
  const mine = focus?.closest("[data-row]");
  const found = (root, fits) => [...root.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((one) => seen(one) && fits(one));
  return (mine && found(mine, () => true)) ?? found(document.querySelector("dialog[open]") ?? document, (one) => !one.closest("[data-row]"));
}

function step(by) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const here = document.activeElement?.closest("[data-row]") ?? (last ? document.getElementById(last) : null);
  const at = rows.indexOf(here);
  let to = at < 0 && by < 0 ? rows.length - 1 : at + by;
  while (rows[to] && !seen(rows[to])) to += by; // only those that are passed are looked at: there may be hundreds
  const row = rows[to] ?? (at >= 0 && seen(here) ? here : null);
  if (!row) return false;
  const part = row.matches(PRESSED) ? row : [...row.querySelectorAll(PRESSED)].find(seen);
  if (!part) row.tabIndex = -1;
  last = row.id;
  (part ?? row).focus();
  row.scrollIntoView({ block: "nearest" });
  return true;
}

function made(name, text = "", ...inside) {
  const part = document.createElement(name);
  part.textContent = text;
  part.append(...inside);
  return part;
}

const words = (part) => {
  if (part.dataset.says) return part.dataset.says;
  const one = part.closest("[data-row]"); // its label says which row, its text what the key does in any
  const copy = part.cloneNode(true);
  for (const gone of copy.querySelectorAll("kbd, [aria-hidden=true]")) gone.remove();
  const text = copy.textContent.replace(/\s+/g, " ").trim();
  return (one && text) || (part.getAttribute("aria-label") ?? part.labels?.[0]?.textContent ?? text);
};

// What this page declares now: [key, words], each key once.
function list() {
  const found = new Map([["?", "Show this list"]]);
  for (const part of document.querySelectorAll("[data-go]")) found.set(`g ${part.dataset.go}`, words(part));
  for (const part of document.querySelectorAll("[data-key]")) {
    const key = part.dataset.key;
    if (!found.has(key) && (seen(part) || (part.closest("[data-row]") && !part.disabled && !part.closest("[hidden]")))) found.set(key, words(part));
  }
  if (document.querySelector("[data-row]")) {
    found.set("j", "Next row");
    found.set("k", "Row before");
    if (document.querySelector("[data-row] :is(a[href], button, summary), [data-row]:is(a[href], button, summary)")) found.set("Enter", "Open the row");
  }
  for (const part of document.querySelectorAll("[data-keys-more]")) {
    const [key, said] = part.dataset.keysMore.split(/:\s*/, 2);
    found.set(key, said);
  }
  found.set("Escape", "Close, or leave the field");
  return [...found];
}

function show() {
  if (document.querySelector("dialog[open]")) return;
  const box = made("dialog");
  box.className = "keys";
  box.setAttribute("aria-labelledby", "keys-title");
  const title = made("h2", "Keys");
  title.id = "keys-title";
  const close = made("button", "Close");
  close.className = "btn";
  close.addEventListener("click", () => box.close());
  const turn = made("button");
  turn.className = "btn";
  const say = () => { turn.textContent = on() ? "Turn single keys off" : "Turn single keys on"; };
  turn.addEventListener("click", () => {
    document.body.dataset.keys = on() ? "off" : "on";
    document.cookie = `keys=${document.body.dataset.keys}; path=/ui; max-age=31536000; samesite=strict`;
    say();
  });
  say();
  const rows = made("dl");
  for (const [key, said] of list()) {
    const keys = made("dt");
    for (const one of key.split(" ")) keys.append(made("kbd", one === "Escape" ? "Esc" : one), " ");
    rows.append(made("div", "", keys, made("dd", said)));
  }
  const foot = made("p", "", turn, " ", close);
  foot.className = "acts";
  box.append(title, rows, foot);
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}

function act(key) {
  if (leader && performance.now() - leader < WAIT) {
    leader = 0;
    const there = document.querySelector(`[data-go="${CSS.escape(key)}"]`);
    return there ? (there.click(), true) : false;
  }
  leader = 0;
  if (key === "g") return (leader = performance.now()), true;
  if (key === "?") return show(), true;
  const part = holder(key, document.activeElement);
  if (part) return press(part), true;
  return key === "j" ? step(1) : key === "k" ? step(-1) : false;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  const focus = document.activeElement;
  if (event.key === "Escape") {
    if (document.querySelector("dialog[open]")) return; // it closes by itself
    const part = field(focus) ? null : holder("Escape", focus);
    if (part) press(part);
    else if (focus !== document.body) focus.blur();
    return;
  }
  if (event.key === "Enter" && focus?.matches("[data-row]:not(a, button, summary)")) {
    [...focus.querySelectorAll("a[href], button")].find(seen)?.click();
    return;
  }
  if (event.key.length !== 1 || event.key === " " || event.repeat && !"jk".includes(event.key)) return;
  if (!on() || field(focus) || (document.querySelector("dialog[open]") && event.key === "?")) return;
  if (act(event.key)) event.preventDefault();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shows-keys]")) show();
});
