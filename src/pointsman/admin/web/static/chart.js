// Charts of tables: <div data-plot="ID" data-form="money|tokens|count"> draws the table with that id, whose cells are the only
// source; without this script the table says it all. Steps are numbered, not placed by time, so that a day of 23 hours is as
// wide as any. A chart is destroyed before its place is swapped. Series are stacked, and differ by hatch beside the colour.
const charts = new Map();
const HATCH = { 2: [1, 4], 3: [-1, 4], 4: [0, 4], 5: [Infinity, 4], 6: [1, 7] };
const FORMS = {
  money: (value) => (value === 0 ? "0" : value >= 0.1 ? `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}` : `$${Number(value.toPrecision(3))}`),
  tokens: short,
  count: (value) => (Number.isInteger(value) ? value.toLocaleString("en") : ""),
};

function short(value) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (value >= size * 10 || (value >= size && value % size === 0)) return `${Number((value / size).toFixed(1))}${unit}`;
  return value.toLocaleString("en");
}

function read(table) {
  const series = [...table.tHead.rows[0].cells].slice(1).map((cell) => ({ name: cell.textContent, mark: Number(cell.dataset.mark) }));
  const rows = [...table.tBodies[0].rows].map((row) => ({
    text: row.cells[0].textContent, short: row.dataset.short, since: Number(row.dataset.since), until: Number(row.dataset.until),
    cells: [...row.cells].slice(1).map((cell) => ({ value: cell.dataset.value === "" ? null : Number(cell.dataset.value), text: cell.textContent })),
  }));
  return { series, rows };
}

// The greatest sums first: each is drawn over the one before, so that what is seen of it is its own part.
function stacked({ series, rows }) {
  const sums = series.map(() => []);
  for (const { cells } of rows) {
    let sum = 0;
    cells.forEach(({ value }, at) => { sum += value ?? 0; sums[at].push(value === null ? null : sum); });
  }
  return [rows.map((_, at) => at), ...sums.reverse()];
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function hatched(context, mark) {
  const fill = colour(`--c${mark}`);
  if (!(mark in HATCH)) return fill;
  const [slope, gap] = HATCH[mark], size = gap * 2 * devicePixelRatio;
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  pen.fillStyle = fill;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = colour("--raised");
  pen.lineWidth = 1.5 * devicePixelRatio;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    if (slope === Infinity) { pen.moveTo(size / 2, 0); pen.lineTo(size / 2, size); }
    else if (slope === 0) { pen.moveTo(0, size / 2); pen.lineTo(size, size / 2); }
    else { pen.moveTo(shift, slope > 0 ? size : 0); pen.lineTo(shift + size, slope > 0 ? 0 : size); }
  }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}

function spoken({ series, rows }, at) {
  const row = rows[at];
  const parts = row.cells.map((cell, of) => ({ ...cell, name: series[of].name })).filter((cell) => cell.value);
  return `${row.text}: ${parts.map((cell) => `${cell.name} ${cell.text}`).join(", ") || "nothing"}.`;
}

function options(place, data, say) {
  const font = `12px ${colour("--sans")}`, write = FORMS[place.dataset.form];
  const axis = { stroke: () => colour("--soft"), font, grid: { stroke: () => colour("--line"), width: 1 }, ticks: { show: false } };
  const steps = data.rows.length;
  return {
    width: place.clientWidth, height: Math.max(180, Math.min(320, place.clientWidth / 2)), legend: { show: false },
    scales: { x: { time: false, range: (chart, low, high) => [Math.max(-0.6, low - 0.6), Math.min(steps - 0.4, high + 0.6)] }, y: { range: (chart, low, high) => [0, high > 0 ? high * 1.05 : 1] } },
    axes: [
      { ...axis, grid: { show: false }, size: 28, space: 64, incrs: [1, 2, 3, 4, 6, 7, 14, 28], values: (chart, splits) => splits.map((at) => (Number.isInteger(at) ? data.rows[at]?.short ?? "" : "")) },
      { ...axis, size: 64, values: (chart, splits) => splits.map((value) => write(value)) },
    ],
    series: [{}, ...data.series.map((one) => ({
      label: one.name, width: 0, points: { show: false }, fill: (chart) => hatched(chart.ctx, one.mark), paths: uPlot.paths.bars({ size: [0.8, 64] }),
    })).reverse()],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: true } },
    hooks: {
      setCursor: [(chart) => { if (chart.cursor.idx !== null && chart.cursor.idx !== undefined) say(chart.cursor.idx); }],
      setScale: [(chart, key) => { if (key === "x") zoomed(place, chart, data); }],
    },
  };
}

// What is zoomed to can be had by itself, with finer steps.
function zoomed(place, chart, data) {
  const box = charts.get(place)?.zoom;
  if (!box) return;
  const first = Math.max(0, Math.ceil(chart.scales.x.min)), last = Math.min(data.rows.length - 1, Math.floor(chart.scales.x.max));
  box.hidden = last < first || (first === 0 && last === data.rows.length - 1);
  if (box.hidden) return;
  const zone = document.querySelector("[name=zone]")?.value, day = (at) => new Intl.DateTimeFormat("sv-SE", { timeZone: zone, dateStyle: "short" }).format(at * 1000);
  const query = new URLSearchParams(location.search);
  query.delete("range");
  query.set("from", day(data.rows[first].since));
  query.set("to", day(data.rows[last].until - 1));
  if (zone) query.set("zone", zone);
  box.querySelector("a").href = `${location.pathname}?${query}`;
  box.querySelector("a").textContent = `Only ${data.rows[first].short} to ${data.rows[last].short}`;
}

function keys(event, chart, data, state, say) {
  const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -7, PageDown: 7 }[event.key];
  const [low, high] = [Math.max(0, Math.ceil(chart.scales.x.min)), Math.min(data.rows.length - 1, Math.floor(chart.scales.x.max))];
  if (step) state.at = Math.min(high, Math.max(low, state.at === null ? (step > 0 ? low : high) : state.at + step));
  else if (event.key === "Home") state.at = low;
  else if (event.key === "End") state.at = high;
  else if ("+=-".includes(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) return event.preventDefault(), closer(chart, data, state, event.key !== "-");
  else if (event.key === "Escape" && (low > 0 || high < data.rows.length - 1)) { event.stopPropagation(); return whole(chart, data); }
  else return;
  event.preventDefault();
  chart.setCursor({ left: chart.valToPos(state.at, "x"), top: 0 }, false);
  say(state.at);
}

// Half as many steps around the one that was read, or twice as many.
function closer(chart, data, state, nearer) {
  const [low, high] = [Math.max(0, Math.ceil(chart.scales.x.min)), Math.min(data.rows.length - 1, Math.floor(chart.scales.x.max))];
  const had = high - low + 1, many = nearer ? Math.max(2, Math.ceil(had / 2)) : had * 2;
  if (many >= data.rows.length) return whole(chart, data);
  const middle = state.at === null ? Math.round((low + high) / 2) : state.at;
  const first = Math.min(data.rows.length - many, Math.max(0, middle - Math.floor(many / 2)));
  chart.setScale("x", { min: first, max: first + many - 1 });
}

function whole(chart, data) {
  chart.setScale("x", { min: 0, max: data.rows.length - 1 });
}

function made(tag, name, text = "") {
  const part = document.createElement(tag);
  part.className = name;
  part.textContent = text;
  return part;
}

function draw(place) {
  const table = document.getElementById(place.dataset.plot);
  const data = read(table);
  if (!data.rows.length || !data.series.length) return;
  place.hidden = false;
  const line = made("p", "plot-say", "Point at a step, or use the arrow keys. Drag, or + and −, to zoom.");
  line.setAttribute("aria-live", "polite");
  const zoom = made("div", "plot-zoom");
  zoom.hidden = true;
  const back = made("button", "btn", "All of it");
  back.type = "button";
  zoom.append(made("a", "btn"), back);
  place.after(line, zoom);
  place.tabIndex = 0;
  place.dataset.keysMore = "← →: Read the chart that has the focus";
  zoom.dataset.keysMore = "+ −: Zoom it";
  place.setAttribute("role", "group");
  place.setAttribute("aria-roledescription", "chart");
  place.setAttribute("aria-label", `${place.closest("section").querySelector("h2").textContent}. Arrow keys read it, plus and minus zoom.`);
  const state = { at: null };
  const say = (at) => { state.at = at; const text = spoken(data, at); if (line.textContent !== text) line.textContent = text; };
  const chart = new uPlot(options(place, data, say), stacked(data), place);
  const onKey = (event) => keys(event, chart, data, state, say);
  place.addEventListener("keydown", onKey);
  back.addEventListener("click", () => { whole(chart, data); place.focus(); });
  const size = new ResizeObserver(() => {
    const width = place.clientWidth - parseFloat(getComputedStyle(place).paddingLeft) * 2;
    if (Math.abs(width - chart.width) > 1 && width > 0) chart.setSize({ width, height: Math.max(180, Math.min(320, width / 2)) });
  });
  charts.set(place, { chart, zoom, end: () => { size.disconnect(); place.removeEventListener("keydown", onKey); line.remove(); zoom.remove(); chart.destroy(); } });
  size.observe(place);
}

function destroy(within) {
  for (const [place, one] of charts) if (within === place || within.contains(place) || !place.isConnected) { one.end(); charts.delete(place); }
}

function look() {
  destroy(document.createElement("i")); // those that are not in the page any more
  for (const place of document.querySelectorAll("[data-plot]")) if (!charts.has(place) && globalThis.uPlot) draw(place);
}

document.addEventListener("htmx:before:swap", (event) => destroy(event.detail?.ctx?.target instanceof Element ? event.detail.ctx.target : document.body));
document.addEventListener("htmx:after:swap", look);
for (const query of ["(prefers-color-scheme: dark)", "(resolution: 1dppx)"]) matchMedia(query).addEventListener("change", () => { for (const { chart } of charts.values()) chart.redraw(true, true); });
addEventListener("pagehide", (event) => { if (!event.persisted) destroy(document.body); });
look();
