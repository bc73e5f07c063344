// The supervisors' side: name and PIN, then people, what happened lately, walk-ins and the gate.
// A session is five minutes and lives in this page's memory alone.
import { keyboard } from "./keyboard.js";
import { byId, make, setText } from "./page.js";
import { gatePane } from "./staff_gate.js";
import { peoplePane, recentPane, walkInPane } from "./staff_people.js";
import { CATALOGUES, tell } from "./words.js";

const LEFT_ALONE_MS = 60_000; // a desk where nobody signs in gives the screen back to the visitors

const desk = {
  facts: null,
  token: null,
  untilMs: 0,
  health: {},
  pane: null,
  say: (key, values) => tell(desk.facts.language, key, values),
  told: (text) => setText(byId("desk-said"), text),
  show: (...nodes) => byId("desk-body").replaceChildren(...nodes),
  ask,
};
const PANES = [["people", peoplePane], ["recent", recentPane], ["walkIn", walkInPane], ["gate", gatePane]];
let ticking;
let alone;

async function ask(what, body = {}) {
  const answer = await call(what, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      ...(desk.token ? { Authorization: `Bearer ${desk.token}` } : {}),
    },
    body: JSON.stringify(body),
  });
  const said = await answer.json();
  if (answer.ok) return said;
  if (said.error.code === "no_session" && desk.token) {
    desk.token = null;
    signIn();
    desk.told(desk.say("s.over"));
    throw new Error("s.over");
  }
  const key = `s.${said.error.code}`;
  const problem = new Error(key in CATALOGUES[desk.facts.language] ? desk.say(key) : said.error.message);
  problem.code = said.error.code;
  problem.waitS = Number(answer.headers.get("Retry-After"));
  throw problem;
}

async function call(what, options) {
  try {
    return await fetch(`/api/manual/${what}`, options);
  } catch {
    throw new Error(desk.say("unlinked.words")); // the agent is restarting
  }
}

export function openStaff(facts, operatorId) {
  desk.facts = facts;
  const dialog = byId("desk");
  if (!dialog.open) dialog.showModal();
  desk.told("");
  if (desk.token) showPanes();
  else signIn(operatorId);
}

// Where nobody is signed in or typing a PIN, the screen is the visitor's.
export function visitorCame() {
  if (byId("desk").open && !desk.token && !byId("pin")?.value) close();
}

export function staffHealth(health) {
  desk.health = health;
}

function close() {
  if (desk.token) ask("end").catch(() => undefined);
  desk.token = null;
  desk.pane = null; // whoever comes next begins with finding somebody
  clearInterval(ticking);
  clearTimeout(alone);
  setText(byId("desk-left"), "");
  byId("desk-body").replaceChildren();
  byId("desk").close();
}
byId("desk-close").addEventListener("click", close);
byId("desk").addEventListener("cancel", (event) => {
  event.preventDefault();
  close();
});

// ---- name and PIN -----------------------------------------------------------------------------

function waitAlone() {
  clearTimeout(alone);
  alone = setTimeout(() => { if (!desk.token) close(); }, LEFT_ALONE_MS);
}
for (const touch of ["pointerdown", "keydown"]) byId("desk").addEventListener(touch, waitAlone);

async function signIn(operatorId) {
  setText(byId("desk-left"), "");
  desk.show(); // whom the last supervisor looked for is nobody else's business
  waitAlone();
  let items;
  try {
    ({ items = [] } = await (await call("operators")).json()); // none before the gate is enrolled
  } catch (problem) {
    return desk.told(problem.message);
  }
  if (!items.length) return desk.show(make("p", { text: desk.say("s.nobody") }));
  const known = items.find((one) => one.operatorId.toUpperCase() === operatorId?.toUpperCase()) ?? (items.length === 1 ? items[0] : null);
  if (known) return askPin(known);
  const names = items.map((one) =>
    make("button", { type: "button", text: one.maskedName, onclick: () => askPin(one) }));
  desk.show(make("h3", { text: desk.say("s.who") }), make("div", { class: "choices" }, ...names));
}

function askPin(operator) {
  const label = desk.say("s.pinFor", { name: operator.maskedName });
  const field = make("input", {
    id: "pin", type: "password", inputmode: "numeric", autocomplete: "off", maxlength: 12, "aria-label": label,
  });
  const form = make("form", { class: "pin" }, make("h3", { text: label }), field, keyboard(desk, field, "digits"),
    make("button", { type: "submit", class: "main", text: desk.say("s.enter") }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const pin = field.value;
    field.value = "";
    if (!pin) return;
    try {
      const session = await ask("session", { operator: operator.operatorId, pin });
      desk.token = session.token;
      desk.untilMs = performance.now() + session.expiresInS * 1000;
      desk.told("");
      showPanes();
    } catch (problem) {
      desk.told(problem.code === "locked" ? desk.say("s.locked", { n: problem.waitS }) : desk.say("s.wrong"));
    }
  });
  desk.show(form);
  field.focus();
}

// ---- the desk ---------------------------------------------------------------------------------

function showPanes(name = desk.pane ?? "people") {
  desk.pane = name;
  const tabs = PANES.map(([key]) =>
    make("button", {
      type: "button", text: desk.say(`s.${key}`), "aria-pressed": String(key === name),
      onclick: () => { desk.told(""); showPanes(key); },
    }));
  const pane = make("section", { id: "pane", "aria-label": desk.say(`s.${name}`) });
  desk.show(make("nav", { class: "tabs" }, ...tabs), pane);
  PANES.find(([key]) => key === name)[1](desk, pane);
  clearInterval(ticking);
  ticking = setInterval(tick, 1000);
  tick();
}

function tick() {
  const left = Math.max(0, Math.round((desk.untilMs - performance.now()) / 1000));
  setText(byId("desk-left"), desk.token ? desk.say("s.left", { n: left }) : "");
  if (!left && desk.token) {
    desk.token = null;
    signIn();
    desk.told(desk.say("s.over"));
  }
}
