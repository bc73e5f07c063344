// Large text and high contrast, for whoever stands there: a touch changes it, a quiet minute ends it.
import { byId } from "./page.js";
import { tell } from "./words.js";

const MODES = ["Plain", "Large", "Contrast", "Both"];
const BACK_MS = 60_000;
let mode = 0;
let back;

export function nextDisplay() {
  mode = (mode + 1) % MODES.length;
  clearTimeout(back);
  if (mode) back = setTimeout(() => { mode = 0; apply(); }, BACK_MS);
  apply();
}

function apply() {
  const name = MODES[mode];
  document.body.classList.toggle("large", name === "Large" || name === "Both");
  document.body.classList.toggle("contrast", name === "Contrast" || name === "Both");
}

export function drawDisplay(language) {
  const label = `${tell(language, "display")}: ${tell(language, `display${MODES[mode]}`)}`;
  byId("display").setAttribute("aria-label", label);
}
