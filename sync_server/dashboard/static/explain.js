// Every number says what it is: a button, whose touch opens a card with what it counts, from what,
// and as of when. One card for the page; it follows the figures while it is open.
import { make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const card = document.getElementById("explain");
let shown = null; // () → {title, lines: [text]}

// A button that shows `tellMore()` → {title, lines}. Its own text is set by the caller.
export function explained(tellMore, properties = {}, ...children) {
  const button = make("button", { type: "button", className: "number", ...properties }, ...children);
  button.setAttribute("aria-haspopup", "dialog");
  button.addEventListener("click", () => {
    shown = tellMore;
    drawExplanation();
    if (!card.matches(":popover-open")) card.showPopover();
    card.focus();
  });
  return button;
}

// “What it counts” stands in the words as `x.NAME`.
export const about = (name, values = {}) => tell(`x.${name}`, values);

export function asOf(facts) {
  if (!facts.heardAt) return tell("asOfNever");
  const options = { timeZone: facts.event?.timeZone, timeZoneName: "short" };
  const time = new Date(facts.heardAt).toLocaleTimeString(currentLanguage(), options);
  return tell(facts.line === "connected" ? "asOf" : "asOfOld", { time });
}

export function drawExplanation() {
  if (!shown) return;
  const { title, lines } = shown();
  const said = lines.filter(Boolean);
  if (!card.children.length) {
    const close = make("button", { type: "button", onclick: () => card.hidePopover() });
    card.append(make("h2", { id: "explain-title" }), make("div", { className: "lines" }), close);
  }
  const [heading, body, close] = card.children;
  while (body.children.length > said.length) body.lastChild.remove();
  while (body.children.length < said.length) body.append(make("p"));
  // Only what differs is touched: a reader's place stays.
  const texts = [title, ...said, tell("close")];
  [heading, ...body.children, close].forEach((element, i) => {
    if (element.textContent !== texts[i]) element.textContent = texts[i];
  });
}

export function closeExplanation() {
  if (card.matches(":popover-open")) card.hidePopover();
}

card.addEventListener("toggle", ({ newState }) => {
  if (newState === "closed") shown = null;
});
