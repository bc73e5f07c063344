// The kiosk page. What it shows follows from four facts alone: is the agent there, what did it say
// of its health, is a decision on the screen, and the language. `draw` turns them into the page.
import { connect } from "./link.js";
import { play } from "./sounds.js";
import { tell, tellAge } from "./words.js";

const byId = (id) => document.getElementById(id);
const OTHER = { ko: "en", en: "ko" };
const OUT_OF_ORDER = { ground: "#3a3f47", ink: "#ffffff", icon: "wrench" };

const facts = {
  linked: undefined, // undefined until the first word of the agent
  health: {},
  decision: null,
  language: localStorage.getItem("language") === "en" ? "en" : "ko",
};
let backToWaiting;

// ---- what to show -----------------------------------------------------------------------------

function view() {
  const own = (kind, title, words, look = {}, values = {}) => ({
    kind,
    ...look,
    title: { ko: tell("ko", title, values), en: tell("en", title, values) },
    words: { ko: tell("ko", words, values), en: tell("en", words, values) },
  });
  const { linked, health, decision } = facts;
  if (linked === undefined) return own("starting", "starting", "unlinked", OUT_OF_ORDER);
  if (!linked) return own("out-of-order", "outTitle", "outWords", OUT_OF_ORDER, { code: "LINK" });
  if (health.notEnrolled) {
    return own("not-enrolled", "notEnrolledTitle", "notEnrolledWords", OUT_OF_ORDER);
  }
  if (decision) return { ...decision.screen, name: decision.maskedName };
  if (health.outOfOrder) {
    const shown = own("out-of-order", "outTitle", "outWords", OUT_OF_ORDER, { code: health.outOfOrder });
    return health.outOfOrderWords ? { ...shown, words: health.outOfOrderWords } : shown;
  }
  return own("waiting", "waitingTitle", "waitingWords", { icon: "scan" });
}

// ---- drawing ----------------------------------------------------------------------------------

// Setting equal text again would make a screen reader speak again.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function drawStage() {
  const stage = byId("stage");
  const shown = view();
  const { language } = facts;
  stage.dataset.kind = shown.kind;
  for (const name of ["ground", "ink"]) {
    if (shown[name]) stage.style.setProperty(`--${name}`, shown[name]);
    else stage.style.removeProperty(`--${name}`);
  }
  byId("drawing").setAttribute("href", `#icon-${shown.icon}`);
  setText(byId("title"), shown.title[language]);
  setText(byId("words"), shown.words[language]);
  const other = OTHER[language];
  byId("other").lang = other;
  setText(byId("other"), `${shown.title[other]} · ${shown.words[other]}`);
  byId("name").hidden = !shown.name;
  setText(byId("name"), shown.name ?? "");
}

function item(id, text, { mark = "", trouble = false } = {}) {
  const element = byId(id);
  element.hidden = !text;
  element.dataset.mark = mark;
  element.classList.toggle("trouble", trouble);
  setText(element, text ?? "");
}

function clockTime(when) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  const timeZone = facts.health.event?.timeZone;
  return new Date(when).toLocaleTimeString("en-GB", timeZone ? { ...options, timeZone } : options);
}

function drawStrip() {
  const { language, health, linked } = facts;
  const say = (key, values) => tell(language, key, values);
  if (!linked) {
    item("online", say("unlinked"), { mark: "↻", trouble: true });
    for (const id of ["waiting", "age", "inside", "clock", "readers", "double", "troubles"]) item(id, null);
    return;
  }
  const since = health.offlineSince && clockTime(health.offlineSince);
  const offline = since ? say("offline", { since }) : say("offlineNow");
  item("online", health.online ? say("online") : offline, {
    mark: health.online ? "●" : "○",
    trouble: !health.online,
  });
  item("waiting", say("waiting", { n: health.waiting ?? 0 }), { mark: "↑" });
  const hasList = typeof health.replicaAgeS === "number";
  item("age", hasList ? say("age", { age: tellAge(language, health.replicaAgeS) }) : say("noList"), {
    mark: "☰",
    trouble: !hasList,
  });
  item("inside", typeof health.inside === "number" ? say("inside", { n: health.inside }) : null, {
    mark: "⌂",
  });
  const clockIsOff = health.clock && health.clock.quality === "wall" && health.online;
  item("clock", clockIsOff ? say("clock") : null, { mark: "⚠", trouble: true });
  const bad = (health.readers ?? []).filter(({ state }) => ["missing", "failed"].includes(state));
  const names = bad.map(({ name, detail }) => (detail ? `${name} (${detail})` : name)).join(", ");
  const troubles = (health.troubles ?? []).map((trouble) => trouble[language]).join(" · ");
  item("troubles", troubles, { mark: "⚠", trouble: true });
  item("readers", names ? say("reader", { name: names }) : null, { mark: "⚠", trouble: true });
  const double = health.doubleEntries;
  const where = double && { n: double.count, gate: double.gate, time: clockTime(double.at) };
  item("double", double ? say("doubleEntry", where) : null, { mark: "⚠", trouble: true });
}

function drawWords() {
  const { language, health } = facts;
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-words]")) {
    setText(element, tell(language, element.dataset.words));
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = tell(language, element.dataset.placeholder);
  }
  const other = byId("language");
  other.lang = OTHER[language];
  setText(other, tell(OTHER[language], "language"));
  const arrow = { entry: "→", exit: "←", both: "↔" }[health.gate?.direction] ?? "";
  setText(byId("gate"), health.gate?.name ? `${arrow} ${health.gate.name}` : "Gatesync");
  setText(byId("event"), health.event?.name ?? "");
}

function draw() {
  drawWords();
  drawStage();
  drawStrip();
}

// ---- what happens -----------------------------------------------------------------------------

function showDecision(decision) {
  clearTimeout(backToWaiting);
  facts.decision = decision;
  backToWaiting = setTimeout(() => {
    facts.decision = null;
    draw();
  }, decision.screen.seconds * 1000);
  draw();
  play(decision.screen.sound);
}

let assets;
const onFrame = {
  decision: showDecision,
  count(data) {
    facts.health = { ...facts.health, ...data };
    draw();
  },
  health(data) {
    assets ??= data.assets;
    if (data.assets && data.assets !== assets) location.reload(); // the agent was updated
    facts.health = data;
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
    draw();
  },
});

byId("typed").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("code");
  const code = field.value.trim();
  if (!code) return;
  field.value = "";
  // The answer shows by the decision frame, like any other decision.
  try {
    const answer = await fetch("/api/present", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (!answer.ok) throw new Error(`present: ${answer.status}`);
    field.dataset.placeholder = "typeCode";
  } catch (problem) {
    console.error(problem);
    field.dataset.placeholder = "busy";
  }
  draw();
});

// A hand scanner types wherever the focus happens to be.
document.addEventListener("keydown", (event) => {
  const typing = event.key.length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey;
  const onButton = event.key === " " && event.target instanceof HTMLButtonElement;
  if (typing && !onButton && event.target !== byId("code")) byId("code").focus();
});

byId("language").addEventListener("click", () => {
  facts.language = OTHER[facts.language];
  localStorage.setItem("language", facts.language);
  draw();
});

draw();
