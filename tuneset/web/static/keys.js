// Keys press the buttons and links that are on the page: whatever a key does, a form does without this script.
"use strict";

const typing = (target) => target.closest("input:not([type=hidden]), textarea, select") !== null;

function pressed(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code); // where digits need shift, as on French keyboards
  return document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)
    || document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)
    || (digit && document.querySelector(`[data-key="${digit[1]}"]`));
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.repeat) return;
  if (typing(event.target)) {
    if (event.key === "Escape") event.target.blur();
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.target.form.requestSubmit(event.target.form.querySelector("button"));
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return; // it presses what has the focus
  const found = pressed(event);
  if (!found) return;
  event.preventDefault();
  found.click();
  const field = found.dataset.focus && document.querySelector(found.dataset.focus);
  if (field && found.parentElement.open) field.focus();
});

// What was typed must not be lost to a page that cannot be reached.
function said(words) {
  document.querySelector(".offline")?.remove();
  if (words) document.body.append(Object.assign(document.createElement("p"), { className: "offline", role: "alert", textContent: words }));
}

document.addEventListener("submit", (event) => {
  if (navigator.onLine) {
    for (const button of event.target.querySelectorAll("button")) setTimeout(() => { button.disabled = true; }); // once
    return;
  }
  event.preventDefault();
  said("No connection. Nothing is lost: send it again when it is back.");
});
window.addEventListener("online", () => said(""));
window.addEventListener("pageshow", () => { // a page that comes back from the browser's memory can be used again
  for (const button of document.querySelectorAll("button")) button.disabled = false;
});

// What is being written is kept on the server every 20 seconds, and the item stays with who writes.
const draft = document.querySelector("textarea[data-draft]");
if (draft) {
  let kept = draft.value;
  setInterval(() => {
    if (draft.value === kept || !navigator.onLine) return;
    kept = draft.value;
    fetch(draft.dataset.draft, { method: "POST", body: new URLSearchParams(new FormData(draft.form)) }).catch(() => { kept = null; });
  }, 20000);
}

// While an example is written, what is nearly the same is shown.
const example = document.querySelector("textarea[data-near]");
if (example) {
  const shown = document.querySelector("#near");
  let waits = 0;
  example.addEventListener("input", () => {
    clearTimeout(waits);
    waits = setTimeout(async () => {
      const asked = example.value;
      const found = await fetch(`${example.dataset.near}?${new URLSearchParams({ text: asked })}`).then((answer) => answer.json()).catch(() => null);
      if (!found || asked !== example.value) return;
      const piece = (name, words) => Object.assign(document.createElement(name), { className: name === "p" ? "by" : "text", dir: "auto", textContent: words });
      shown.replaceChildren(...(found.twins.length ? [piece("p", "Nearly the same is there already:")] : []), ...found.twins.map((words) => piece("div", words)));
    }, 600);
  });
}
