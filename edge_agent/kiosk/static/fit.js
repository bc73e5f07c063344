// Large glyphs and small screens: what does not fit gives way in the order of `data-fit` in kiosk.css,
// 0 nothing, 1 the other language, 2 most of the sign, 3 the sign and what is above the least size.
import { byId } from "./page.js";

const STEPS = 4;
const SIGN_LEAST_PX = 90;
let fitted = "";

// Looks anew only where something changed: it is asked at every drawing.
export function fit() {
  const stage = byId("stage");
  const footer = document.querySelector("footer").offsetHeight;
  const key = [innerWidth, innerHeight, footer, document.body.className, stage.dataset.kind, byId("say").lang,
    byId("preview").hidden, byId("say").innerText].join("|");
  if (key === fitted) return;
  for (let step = 0; step < STEPS; step += 1) {
    stage.dataset.fit = String(step);
    if (fits(stage, step)) break;
  }
  fitted = key;
  const strip = document.querySelector("footer"); // many troubles: scrolled by touch or keyboard
  if (strip.scrollHeight > strip.clientHeight) strip.tabIndex = 0;
  else strip.removeAttribute("tabindex");
}

function fits(stage, step) {
  const room = stage.getBoundingClientRect();
  const say = byId("say").getBoundingClientRect();
  const sign = byId("sign").getBoundingClientRect();
  return say.top >= room.top && say.bottom <= room.bottom && (step >= 2 || sign.height >= SIGN_LEAST_PX);
}

addEventListener("resize", fit);
