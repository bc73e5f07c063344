// The kiosk page. What it shows follows from a few facts alone: is the agent there, what did it say
// of its health, is a decision on the screen, and the language. `view` picks one state of the table
// in screens.py, which comes from the agent; `draw` turns it into the page.
import { closeKeys, offerKeys } from "./code_keys.js";
import { drawDisplay, nextDisplay } from "./display.js";
import { fit } from "./fit.js";
import { connect } from "./link.js";
import { byId, setText } from "./page.js";
import { play, setVolume } from "./sounds.js";
import { openStaff, staffHealth, visitorCame } from "./staff.js";
import { drawStrip } from "./strip.js";
import { fill, OTHER, tell } from "./words.js";

const READING_MS = 1500; // a code that leads to no decision is forgotten

const facts = {
  linked: undefined, // undefined until the first word of the agent
  health: {},
  decision: null,
  reading: false,
  language: localStorage.getItem("language") === "en" ? "en" : "ko",
};
const STATES = await untilAnswered("/api/screens");
let backToWaiting;
let readingOver;
let face;

// The agent may be restarting just now: a page that gave up would stay blank for good.
async function untilAnswered(path) {
  for (;;) {
    try {
      return await (await fetch(path)).json();
    } catch {
      await new Promise((later) => { setTimeout(later, 400); });
    }
  }
}

// ---- what to show -----------------------------------------------------------------------------

function state(name, values = {}, words = null) {
  const shown = STATES[name];
  const filled = (texts) =>
    Object.fromEntries(Object.entries(texts).map(([l, text]) => [l, fill(text, values)]));
  return { ...shown, title: filled(shown.title), words: words ?? filled(shown.words) };
}

function view() {
  const { linked, health, decision, reading } = facts;
  const device = health.device?.name || health.device?.id?.slice(0, 8) || "–";
  if (linked === undefined) return state("starting");
  if (!linked) return outOfOrder("unlinked", "LINK", device);
  if (health.enrolment) return ofEnrolment(health.enrolment);
  if (health.outOfOrder) return outOfOrder("out_of_order", health.outOfOrder, device, health.outOfOrderWords);
  if (health.notEnrolled) return state("no_list", { device });
  // Held for a moment is not closed: who shows a ticket now is asked to wait.
  const held = health.mode === "held" && decision?.reason === "gate_closed";
  if (held) return { ...state("held"), language: decision.language };
  if (decision) return { ...decision.screen, name: decision.maskedName, language: decision.language };
  if (health.mode === "held" || health.mode === "closed") return state(health.mode);
  if (health.foreignCode) return state("foreign_code");
  if (reading) return state("reading");
  return state("waiting");
}

// `detail` is for whoever comes to mend it, in smaller glyphs: the public reads “please see staff”.
function outOfOrder(name, code, device, cause = {}) {
  const detail = (language) => [cause[language], code, device].filter(Boolean).join(" · ");
  return { ...state(name), detail: { ko: detail("ko"), en: detail("en") } };
}

function ofEnrolment({ state: name, address, rows, gate, problem }) {
  return state(name, { address, rows, gate: gate ?? "" }, ["not_enrolled", "revoked"].includes(name) ? problem : null);
}

// ---- drawing ----------------------------------------------------------------------------------

function drawStage() {
  const stage = byId("stage");
  const shown = view();
  const language = shown.language ?? facts.language; // by a participant's wish, while it is theirs
  // Whoever mistyped may be typing again when the page goes back to waiting.
  if (shown.title.en !== face && !["waiting", "reading"].includes(shown.kind)) closeKeys();
  face = shown.title.en;
  stage.dataset.kind = shown.kind;
  stage.style.setProperty("--ground", shown.ground);
  stage.style.setProperty("--ink", shown.ink);
  byId("drawing").setAttribute("href", `#icon-${shown.icon}`);
  setText(byId("title"), shown.title[language]);
  setText(byId("words"), shown.words[language]);
  byId("detail").hidden = !shown.detail;
  setText(byId("detail"), shown.detail?.[language] ?? "");
  const other = OTHER[language];
  byId("say").lang = language;
  byId("other").lang = other;
  setText(byId("other"), `${shown.title[other]} · ${shown.words[other]}`);
  byId("name").hidden = !shown.name;
  setText(byId("name"), shown.name ?? "");
  drawPreview(["waiting", "reading", "not-enrolled"].includes(shown.kind));
}

// The picture is asked for only while it is shown: nobody pays for it otherwise.
function drawPreview(wanted) {
  const picture = byId("preview");
  const camera = (facts.health.readers ?? []).find(({ name }) => name === "camera");
  const shows = Boolean(wanted && camera && camera.state === "running");
  if (shows === !picture.hidden) return;
  picture.hidden = !shows;
  byId("picture").toggleAttribute("hidden", shows);
  if (shows) picture.src = `/api/preview.mjpeg?${Date.now()}`;
  else picture.removeAttribute("src");
}

function drawWords() {
  const { language, health } = facts;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-words]")) {
    setText(element, tell(language, element.dataset.words));
  }
  for (const [member, attribute] of [["placeholder", "placeholder"], ["label", "aria-label"], ["alt", "alt"]]) {
    for (const element of document.querySelectorAll(`[data-${member}]`)) {
      element.setAttribute(attribute, tell(language, element.dataset[member]));
    }
  }
  const other = byId("language");
  other.lang = OTHER[language];
  setText(other, tell(OTHER[language], "language"));
  const ways = health.gate?.direction; // what a supervisor set is for a gate for both ways
  const direction = ways === "both" ? health.direction ?? ways : ways;
  const arrow = { entry: "→", exit: "←", both: "↔" }[direction] ?? "";
  setText(byId("gate"), health.gate?.name ? `${arrow} ${health.gate.name}` : "Gatesync");
  setText(byId("event"), health.event?.name ?? "");
  drawDisplay(language);
}

function draw() {
  const field = byId("code");
  if (facts.health.enrolment) field.dataset.placeholder = "typeEnrolment";
  else if (field.dataset.placeholder === "typeEnrolment") field.dataset.placeholder = "typeCode";
  drawWords();
  drawStage();
  drawStrip(facts);
  fit();
}

// ---- what happens -----------------------------------------------------------------------------

function showDecision(decision) {
  clearTimeout(backToWaiting);
  facts.decision = decision;
  facts.reading = false;
  closeKeys(); // an answer is covered by nothing
  backToWaiting = setTimeout(() => {
    facts.decision = null;
    draw();
  }, decision.screen.seconds * 1000);
  draw();
  play(decision.screen.sound);
}

let assets;
const onFrame = {
  decision(data) {
    visitorCame();
    showDecision(data);
  },
  count(data) {
    facts.health = { ...facts.health, ...data };
    draw();
  },
  reading() {
    clearTimeout(readingOver);
    facts.reading = true;
    readingOver = setTimeout(() => {
      facts.reading = false;
      draw();
    }, READING_MS);
    draw();
  },
  staff(data) {
    openStaff(facts, data.operatorId);
  },
  health(data) {
    assets ??= data.assets;
    if (data.assets && data.assets !== assets) location.reload(); // the agent was updated
    facts.health = data;
    setVolume(data.volume ?? 60);
    document.body.style.setProperty("--dim", String((data.brightness ?? 100) / 100));
    staffHealth(data);
    draw();
  },
};

connect({
  onFrame(type, data) {
    facts.linked = true;
    onFrame[type]?.(data);
  },
  onLost() {
    clearTimeout(backToWaiting);
    facts.linked = facts.linked === undefined ? undefined : false;
    facts.decision = null;
    facts.reading = false;
    draw();
  },
});

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
}

byId("typed").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("code");
  const code = field.value.trim();
  if (!code) return;
  field.value = "";
  closeKeys();
  // The answer shows by the decision frame, like any other decision.
  try {
    await post("/api/present", { code });
    field.dataset.placeholder = "typeCode";
  } catch (problem) {
    console.error(problem);
    field.dataset.placeholder = "busy";
  }
  draw();
});

// A hand scanner types wherever the focus happens to be; a supervisor's fields are their own.
document.addEventListener("keydown", (event) => {
  if (byId("desk").open) return;
  const typing = event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey;
  const onButton = event.key === " " && event.target instanceof HTMLButtonElement;
  if (typing && !onButton && event.target !== byId("code")) byId("code").focus();
});

byId("language").addEventListener("click", () => {
  facts.language = OTHER[facts.language];
  localStorage.setItem("language", facts.language);
  if (facts.decision) facts.decision = { ...facts.decision, language: null }; // a touch is the later wish
  draw();
});
byId("display").addEventListener("click", () => {
  nextDisplay();
  draw();
});

// Staff: press and hold, so that nobody comes here by chance; by keyboard and switch a press will do.
let held;
const staff = byId("staff");
staff.addEventListener("pointerdown", () => {
  held = setTimeout(() => openStaff(facts), 900);
});
for (const end of ["pointerup", "pointerleave", "pointercancel"]) {
  staff.addEventListener(end, () => clearTimeout(held));
}
staff.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    openStaff(facts);
  }
});
staff.addEventListener("click", (event) => {
  if (event.detail === 0) openStaff(facts); // a screen reader's or switch's press has no pointer
});
staff.addEventListener("contextmenu", (event) => event.preventDefault());

offerKeys(facts);
draw();
