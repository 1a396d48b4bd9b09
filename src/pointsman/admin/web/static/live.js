// One stream a page, none while it is hidden. What changed is told as topics; who shows one asks for itself again:
// an element with data-live="requests" gets the event `live` (its hx-trigger), the document gets `live:requests`.
// A stream that breaks is tried again; a sign-in that ended is said and not tried again.
const LEAST = 500, MOST = 5000;
let stop = null, wait = LEAST, epoch = "", since = null, running = false;
let mark = document.body.dataset.liveMark ?? ""; // of when this page was made; told once, for what changed before the stream began

function say(state, word) {
  const shape = { on: "ok", off: "off", lost: "warn" }[state];
  const colour = { on: "ok", off: "idle", lost: "warn" }[state];
  for (const box of document.querySelectorAll("[data-live-state]")) {
    if (box.dataset.liveState === state && state !== "lost") continue;
    box.dataset.liveState = state;
    box.querySelector("svg").setAttribute("class", `mark ${colour}`);
    box.querySelector("use").setAttribute("href", `#m-${shape}`);
    box.querySelector("[data-live-word]").textContent = word;
  }
}

const parts = () => [...document.querySelectorAll("[data-live]")];
const topicsOf = (part) => part.dataset.live.split(" ");

// A part that comes by a swap is as old as its request: what was told after that had begun went to what stood there before.
let tellings = 0;
const last = new Map(); // topic -> in which telling it was last
const began = new WeakMap(); // htmx's context of a request -> how many tellings there were before it
const known = new WeakSet(parts());

document.addEventListener("htmx:before:request", (event) => began.set(event.detail.ctx, tellings));
document.addEventListener("htmx:after:swap", (event) => {
  const ctx = event.detail?.ctx, target = ctx?.target, before = began.get(ctx) ?? tellings;
  for (const part of parts()) {
    const swapped = !known.has(part) || (target?.isConnected && (target.contains(part) || part.contains(target)));
    known.add(part);
    if (!swapped || (ctx?.sourceElement === part && target === part)) continue; // its own request: htmx keeps the next one
    if (topicsOf(part).some((topic) => last.get(topic) > before)) part.dispatchEvent(new CustomEvent("live"));
  }
});

function tell(topics) {
  tellings += 1;
  for (const topic of topics) last.set(topic, tellings);
  for (const part of parts()) {
    if (topicsOf(part).some((topic) => topics.includes(topic))) part.dispatchEvent(new CustomEvent("live"));
  }
  for (const topic of topics) document.dispatchEvent(new CustomEvent(`live:${topic}`));
}

function everything() {
  tell([...new Set(parts().flatMap(topicsOf))]);
}

function take(name, data) {
  if (name === "hello") {
    mark = "";
    if (epoch && (since || epoch !== data)) everything(); // what was missed meanwhile
    epoch = data;
    since = null;
    wait = LEAST;
    say("on", "Live");
  } else if (name === "changed") tell(data);
}

async function listen() {
  const control = new AbortController();
  stop = () => control.abort();
  const answer = await fetch(mark ? `/ui/live?at=${encodeURIComponent(mark)}` : "/ui/live", { headers: { accept: "text/event-stream" }, signal: control.signal });
  if (answer.status === 401) return say("off", "Your sign-in ended: load the page anew"), false;
  if (!answer.ok) throw new Error(String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = ""; ;) {
    const { value, done } = await reader.read();
    if (done) return true;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const lines = text.slice(0, end).split("\n");
      const of = (field) => lines.find((line) => line.startsWith(field))?.slice(field.length);
      if (of("event: ")) take(of("event: "), JSON.parse(of("data: ")));
    }
  }
}

async function run() {
  if (running) return;
  running = true;
  while (!document.hidden) {
    try {
      if (!(await listen())) return; // signed out: only a page that is loaded anew goes on
    } catch { /* tried again below */ }
    if (document.hidden) break;
    since ??= new Date();
    say("lost", `No word since ${since.toLocaleTimeString()}. Trying again; model traffic is separate.`);
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, MOST);
  }
  running = false;
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    since ??= new Date();
    stop?.();
  } else run();
});
run();
