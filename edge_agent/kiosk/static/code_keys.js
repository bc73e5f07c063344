// The public page's keys for codes, where the kiosk has no others: a touch of the field brings them.
import { keyboard } from "./keyboard.js";
import { byId, make } from "./page.js";
import { tell } from "./words.js";

const LEFT_ALONE_MS = 60_000; // then the screen, and an empty field, are the next visitor's
const field = byId("code");
const place = byId("code-keys");
let alone;

export function closeKeys() {
  clearTimeout(alone);
  if (place.hidden) return;
  if (place.contains(document.activeElement)) field.focus();
  document.body.classList.remove("typing");
  place.hidden = true;
  place.replaceChildren();
}

function waitAlone() {
  clearTimeout(alone);
  alone = setTimeout(() => {
    field.value = "";
    closeKeys();
  }, LEFT_ALONE_MS);
}

function openKeys(facts) {
  waitAlone();
  if (!place.hidden) return;
  const say = (key) => tell(facts.language, key);
  const named = (type, text, key, onclick) =>
    make("button", { type, text, onclick, "aria-label": say(key), "data-label": key });
  const last = [named("button", "✕", "s.close", closeKeys), named("submit", "⏎", "check")];
  place.replaceChildren(keyboard({ facts, say }, field, facts.health.enrolment ? "address" : "code", last));
  place.hidden = false;
  document.body.classList.add("typing");
}

// A hand scanner and a keyboard focus the field without a click, and need no keys.
export function offerKeys(facts) {
  field.addEventListener("click", () => openKeys(facts));
  place.addEventListener("mousedown", (event) => event.preventDefault()); // the caret stays in the field
  place.addEventListener("click", () => {
    if (!place.hidden) waitAlone();
    field.scrollLeft = field.scrollWidth; // the end of a long code is what one looks at
  });
  byId("typed").addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeKeys();
  });
  matchMedia("(orientation: portrait)").addEventListener("change", closeKeys);
}
