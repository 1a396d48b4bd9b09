// Buttons that copy a text: data-copy names the element. They are hidden where no script runs.
async function copy(button) {
  const from = document.getElementById(button.dataset.copy);
  const text = from.textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // no clipboard over plain http from another computer: select it, and let the browser copy what is selected
    const range = document.createRange();
    range.selectNodeContents(from);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    if (!document.execCommand("copy")) return say(button, "Selected: press Ctrl+C");
  }
  say(button, "Copied");
}

function say(button, word) {
  if (button.dataset.said) return;
  const was = [...button.childNodes];
  button.dataset.said = "1";
  button.setAttribute("aria-live", "polite");
  button.textContent = word;
  setTimeout(() => {
    button.replaceChildren(...was);
    delete button.dataset.said;
  }, 2000);
}

function look() {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
}
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) copy(button);
});
document.addEventListener("htmx:after:swap", () => {
  look();
  document.querySelector("[data-made]")?.focus(); // what was pressed is gone
});
look();
