// Each column asks for itself and reads its own stream (web/pages/playground.py). Whatever comes is put in as text; of a huge
// answer only the beginning, the rest is there to download. Stop is a request of its own, and the stream tells what came of it.
const form = document.getElementById("play");
const MOST = +form.dataset.most, IMAGES = +form.dataset.images, IMAGE = 170_000, KEPT = 64e6;
const shots = []; // data: addresses
const wrong = document.getElementById("wrong");

const made = (name, kind, text = "") => {
  const part = document.createElement(name);
  part.className = kind;
  part.textContent = text;
  return part;
};

function holder(kind, name) {
  if (kind === "text") return made("div", "part text");
  const box = made(kind === "thinking" ? "details" : "div", `part ${kind === "thinking" ? kind : "call"}`);
  box.append(kind === "thinking" ? made("summary", "", "Thinking") : made("b", "", kind === "tool" ? `Calls ${name}` : kind === "refusal" ? "Refused" : kind), made("div", "text"));
  box.open = true;
  return box;
}

class Column {
  constructor(box) {
    this.box = box;
    this.number = box.dataset.column;
    for (const name of ["state", "answer", "facts", "sent", "head", "wire", "stop", "more", "moreText", "download"]) {
      this[name] = box.querySelector(`[data-${name.replace(/[A-Z]/g, (one) => "-" + one.toLowerCase())}]`);
    }
    this.stop.addEventListener("click", () => this.halt());
    this.download.addEventListener("click", () => this.save());
  }

  clear() {
    for (const part of [this.answer, this.facts, this.sent, this.head, this.wire]) part.textContent = "";
    Object.assign(this, { parts: new Map(), pending: new Map(), whole: [], size: 0, shown: 0, frame: 0, control: new AbortController() });
    this.more.hidden = true;
  }

  say(word) { this.state.textContent = word; }

  async ask(fields) {
    this.clear();
    this.stop.hidden = false;
    this.say("Asking …");
    try {
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { "hx-request": "true" }, signal: this.control.signal });
      if (answer.headers.get("content-type")?.startsWith("text/event-stream")) await this.read(answer.body);
      else if (answer.ok) {
        this.facts.innerHTML = await answer.text(); // an explanation, escaped by the server
        this.say("Not sent, explained");
      } else this.refused(await answer.text());
    } catch (error) {
      this.say(error.name === "AbortError" ? "Stopped here; the gateway was told by the closed connection." : "The gateway cannot be reached. Try again.");
    }
    this.flush();
    this.stop.hidden = true;
  }

  async read(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ;) {
      const { value, done } = await reader.read();
      if (done) return this.facts.textContent || this.say("The stream broke off: the gateway has stopped.");
      text += value;
      let from = 0;
      for (let end; (end = text.indexOf("\n\n", from)) >= 0; from = end + 2) {
        const line = text.indexOf("\n", from);
        this.take(text.slice(from + 7, line), JSON.parse(text.slice(line + 7, end)));
      }
      text = text.slice(from);
    }
  }

  take(what, value) {
    if (what === "sent") this.sent.textContent = `POST ${value.path}\n${value.headers.join("\n")}\n\n${value.body}${value.cut ? `\n… and ${value.cut} more` : ""}`;
    else if (what === "head") {
      this.head.textContent = `${value.status}\n${value.headers.map((one) => one.join(": ")).join("\n")}`;
      if (value.status < 400) this.say("Answering …");
    } else if (what === "wire") this.wire.append(value);
    else if (what === "error") this.say("Failed");
    else if (what === "parts") value.forEach((one) => this.add(...one));
    else if (what === "facts") {
      this.flush();
      this.facts.innerHTML = value; // ours, rendered and escaped by the server
      this.say(this.facts.querySelector("[data-stopped]") ? "Stopped" : this.facts.querySelector("[role=alert]") ? "Failed" : "Done");
    }
  }

  add(index, kind, name, text) {
    if (!this.parts.has(index)) {
      const box = holder(kind, name);
      this.answer.append(box);
      this.parts.set(index, box.querySelector(".text") ?? box);
    }
    if ((this.size += text.length) < KEPT) this.whole.push(text);
    const room = MOST - this.shown;
    if (room > 0 && text) {
      const piece = text.slice(0, room);
      this.shown += piece.length;
      this.pending.set(index, (this.pending.get(index) ?? "") + piece);
      this.frame ||= requestAnimationFrame(() => this.flush());
    }
  }

  flush() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    for (const [index, text] of this.pending ?? []) {
      const box = this.parts.get(index), low = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      box.firstChild ? box.firstChild.appendData(text) : box.append(text);
      if (low) box.scrollTop = box.scrollHeight;
    }
    this.pending?.clear();
    if (this.size > this.shown) {
      this.moreText.textContent = `The first ${this.shown.toLocaleString("en")} of ${this.size.toLocaleString("en")} characters are shown.`;
      this.more.hidden = false;
    }
  }

  async halt() {
    this.say("Stopping …");
    const fields = new URLSearchParams({ visit: form.elements.visit.value, column: this.number });
    const answer = await fetch(`${form.action}/stop`, { method: "POST", body: fields, headers: { "hx-request": "true" } }).catch(() => null);
    if (!answer?.ok) this.control.abort();
  }

  refused(html) {
    const text = new DOMParser().parseFromString(html, "text/html").getElementById("said")?.textContent.trim();
    this.say("Not asked");
    wrong.textContent = text || "The gateway refused it.";
    wrong.hidden = false;
  }

  save() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(this.whole, { type: "text/plain" }));
    link.download = `answer-${this.number}.txt`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }
}

async function small(file) {
  const sizes = [[1280, 0.85], [1024, 0.75], [768, 0.6], [512, 0.5]];
  let blob = file;
  for (const [edge, quality] of file.size > IMAGE ? sizes : []) {
    const picture = await createImageBitmap(file);
    const by = Math.min(1, edge / Math.max(picture.width, picture.height));
    const canvas = new OffscreenCanvas(Math.ceil(picture.width * by), Math.ceil(picture.height * by));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    blob = await canvas.convertToBlob({ type: "image/jpeg", quality });
    if (blob.size <= IMAGE) break;
  }
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = failed;
    reader.readAsDataURL(blob);
  });
}

async function add(files) {
  for (const file of files) {
    if (shots.length >= IMAGES || !file.type.startsWith("image/")) continue;
    try {
      const address = await small(file);
      const row = document.createElement("li"), picture = document.createElement("img"), away = made("button", "btn", "Remove");
      picture.src = address;
      picture.alt = file.name;
      away.type = "button";
      away.addEventListener("click", () => {
        shots.splice(shots.indexOf(address), 1);
        row.remove();
      });
      row.append(picture, away);
      document.getElementById("shots").append(row);
      shots.push(address);
    } catch {
      wrong.textContent = `${file.name} is no picture that this browser can read.`;
      wrong.hidden = false;
    }
  }
}

const columns = [...document.querySelectorAll("[data-column]")].map((box) => new Column(box));
const pictures = document.getElementById("pictures");
document.getElementById("pictures-field").hidden = false;
pictures.addEventListener("change", () => { add([...pictures.files]); pictures.value = ""; });
form.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) { event.preventDefault(); add([...event.clipboardData.files]); }
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); form.requestSubmit(); }
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  wrong.hidden = true;
  for (const column of columns) {
    if (!column.stop.hidden || !form.elements[`model${column.number}`].value.trim()) continue;
    const fields = new URLSearchParams(new FormData(form));
    fields.set("column", column.number);
    if (event.submitter?.name) fields.set(event.submitter.name, "1");
    shots.forEach((one) => fields.append("image", one));
    column.ask(fields);
  }
});
