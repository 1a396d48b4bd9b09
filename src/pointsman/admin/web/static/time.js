// Every <time datetime="...Z"> in the browser's own zone, 24 hours, whatever way it came into the page. data-form: time, short,
// day, full, ago. The zone is told to the server in a cookie, which cuts days in it, and named where data-zone stands.
const chosen = /(?:^|; )fixed="?([A-Za-z0-9_+/-]+)/.exec(document.cookie)?.[1]; // in Settings
const ZONE = chosen ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
const DAY = { day: "numeric", month: "short" };
const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const FULL_CLOCK = { ...CLOCK, second: "2-digit" };
const made = new Map();

function written(at, options) {
  const name = Object.keys(options).join();
  if (!made.has(name)) made.set(name, new Intl.DateTimeFormat("en-GB", { ...options, timeZone: ZONE }));
  return made.get(name).format(at).replace(",", "");
}

// 12 s ago, 28 min ago, 3 h ago, 2 d ago; in 4 h. Counted in whole units that have passed.
export function ago(at, now = Date.now()) {
  const seconds = Math.floor(Math.abs(now - at) / 1000);
  if (seconds < 1) return "now";
  const [size, unit] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86400 ? [3600, "h"] : [86400, "d"];
  const said = `${Math.floor(seconds / size)} ${unit}`;
  return at > now ? `in ${said}` : `${said} ago`;
}

// A time of another day has its day, and of another year its year.
export function local(at, form, now = new Date()) {
  if (form === "ago") return ago(at.getTime(), now.getTime());
  const day = written(at, { ...DAY, year: "numeric" });
  if (form === "day") return day;
  if (form === "full") return written(at, { ...DAY, year: "numeric", ...FULL_CLOCK });
  const clock = form === "time" ? FULL_CLOCK : CLOCK;
  const today = written(now, { ...DAY, year: "numeric" });
  if (day === today) return written(at, clock);
  return written(at, { ...DAY, ...(day.slice(-4) === today.slice(-4) ? {} : { year: "numeric" }), ...clock });
}

function show(part) {
  const at = new Date(part.dateTime);
  if (Number.isNaN(at.getTime())) return;
  const text = local(at, part.dataset.form ?? "time");
  if (part.textContent !== text) part.textContent = text;
  const title = `${written(at, { ...DAY, year: "numeric", ...FULL_CLOCK })}, ${ZONE}`;
  if (part.title !== title) part.title = title;
}

function all(root) {
  for (const part of root.querySelectorAll("time[datetime]")) show(part);
  for (const part of root.querySelectorAll("[data-zone]")) if (part.textContent !== ZONE) part.textContent = ZONE;
}

new MutationObserver((records) => {
  for (const { target, addedNodes } of records) {
    const near = (target.nodeType === Node.TEXT_NODE ? target.parentElement : target)?.closest("time[datetime]");
    if (near) show(near);
    for (const node of addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE) continue;
      if (node.matches("time[datetime]")) show(node);
      all(node);
    }
  }
}).observe(document.body, { childList: true, characterData: true, subtree: true });

setInterval(() => {
  if (!document.hidden) for (const part of document.querySelectorAll('time[data-form="ago"]')) show(part);
}, 1000);

document.cookie = `zone=${ZONE}; path=/ui; max-age=31536000; samesite=strict`;
all(document);
