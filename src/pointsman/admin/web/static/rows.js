// The page Requests. New rows come when the stream says so; while the pointer, the focus, a selection or the top of what is
// read is in the table they wait, and a button says how many. Open rows stay open; what is filtered by, what is open and
// whether it is live stand in the address. Everything is rendered by the server, so that new rows pass the same filter.
const EVERY = 2000; // ms between looks at what runs
const MOST = 5; // open rows in the address
let waits = null; // a newer list, while it may not be shown
let asking = false, again = false;

const list = () => document.getElementById("list");
const table = () => list()?.querySelector("table");
const live = () => document.getElementById("live")?.getAttribute("aria-pressed") === "true";
const newest = () => list()?.dataset.newest === "yes";

function busy() {
  const here = table();
  if (!here) return false;
  if (here.matches(":hover") || here.contains(document.activeElement)) return true;
  const chosen = getSelection();
  if (chosen && !chosen.isCollapsed && here.contains(chosen.anchorNode)) return true;
  return here.getBoundingClientRect().top < 0;
}

async function fragment(address) {
  const answer = await fetch(address, { headers: { "hx-request": "true" } });
  if (!answer.ok) throw new Error(String(answer.status));
  const box = document.createElement("template");
  box.innerHTML = await answer.text();
  return box.content;
}

const ids = (part) => [...part.querySelectorAll("#rows > [data-row]")].map((row) => row.dataset.id);

function address(change) {
  const url = new URL(location.href);
  change(url.searchParams);
  history.replaceState(history.state, "", url);
}

// -- new rows

function show(next) {
  const before = table();
  const open = before ? [...before.querySelectorAll("#rows > tr.detail")] : [];
  const focus = document.activeElement?.closest?.("[data-row]")?.id;
  list().replaceWith(next);
  for (const detail of open) {
    const row = document.getElementById(`r-${detail.id.slice(2)}`);
    if (!row || document.getElementById(detail.id)) continue;
    row.after(detail);
    mark(row, true);
  }
  if (focus) document.getElementById(focus)?.querySelector("a[href], button")?.focus();
  waits = null;
  document.dispatchEvent(new CustomEvent("htmx:after:swap")); // times, copy buttons
}

function say() {
  const button = document.getElementById("newer");
  if (!button) return;
  const known = new Set(ids(document));
  const count = waits ? ids(waits).filter((id) => !known.has(id)).length : 0;
  button.hidden = count === 0;
  const word = count === 1 ? "1 new request. Show it" : `${count} new requests. Show them`;
  const said = button.querySelector("[data-newer-word]");
  if (said.textContent !== word) said.textContent = word;
}

async function look() {
  if (!live() || !newest() || document.hidden) return;
  if (asking) { again = true; return; }
  asking = true;
  try {
    const next = (await fragment(list().dataset.rows)).getElementById("list");
    if (!live() || !newest() || !next) return;
    if (busy()) { waits = next; say(); } else show(next);
  } catch { /* the stream says that there is no word; it is asked again */ } finally {
    asking = false;
    if (again) { again = false; look(); }
  }
}

async function lookAtRunning() {
  if (!live() || !newest() || document.hidden || busy()) return;
  const part = document.getElementById("running");
  try {
    if (!part) {
      if (!table()) await look(); // the first request of all
      return;
    }
    const next = (await fragment(list().dataset.running)).getElementById("running");
    if (next && !busy() && part.isConnected) part.replaceWith(next);
    document.dispatchEvent(new CustomEvent("htmx:after:swap"));
  } catch { /* see above */ }
}

// -- rows that open

function mark(row, open) {
  row.classList.toggle("open", open);
  row.querySelector("[data-opens]")?.setAttribute("aria-expanded", String(open));
}

async function toggle(row) {
  const id = row.dataset.id, detail = document.getElementById(`d-${id}`);
  if (detail) {
    detail.remove();
    mark(row, false);
  } else {
    const made = (await fragment(row.querySelector("[data-opens]").href)).querySelector("tr.detail");
    if (!made || document.getElementById(`d-${id}`)) return;
    row.after(made);
    mark(row, true);
    document.dispatchEvent(new CustomEvent("htmx:after:swap"));
  }
  const open = [...document.querySelectorAll("#rows > tr.detail")].map((one) => one.id.slice(2)).slice(0, MOST);
  address((query) => { query.delete("open"); for (const one of open) query.append("open", one); });
}

document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest?.("[data-opens]");
  if (link) {
    event.preventDefault();
    toggle(link.closest("[data-row]")).catch(() => { location.href = link.href; });
    return;
  }
  if (event.target.closest?.("#newer") && waits) {
    show(waits);
    table()?.querySelector("#rows > [data-row] a")?.focus({ preventScroll: false });
    return;
  }
  const button = event.target.closest?.("#live");
  if (button) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    button.querySelector("svg").setAttribute("class", `mark ${on ? "ok" : "idle"}`);
    button.querySelector("use").setAttribute("href", `#m-${on ? "ok" : "off"}`);
    address((query) => (on ? query.delete("live") : query.set("live", "off")));
    if (on) look();
  }
});

// -- the filter: the form works as it is; a choice in the menu needs no second step

document.addEventListener("change", (event) => {
  if (event.target.id === "last") event.target.form.requestSubmit();
});
document.getElementById("filter")?.addEventListener("submit", (event) => {
  for (const one of event.target.elements) one.disabled ||= one.name !== "" && one.value === ""; // a short address
});
addEventListener("pageshow", () => {
  for (const one of document.getElementById("filter")?.elements ?? []) one.disabled = false;
});

document.getElementById("live").hidden = false;
document.addEventListener("live:requests", look);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
setInterval(lookAtRunning, EVERY);
setInterval(() => { if (waits && !busy()) show(waits); }, 500);
