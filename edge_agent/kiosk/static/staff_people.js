// Finding somebody, seeing why they were refused, admitting, refusing, taking back; walk-ins.
import { keyboard } from "./keyboard.js";
import { clockTime, make } from "./page.js";

const REASONS = ["s.why1", "s.why2", "s.why3", "s.why4", "s.why5", "s.why6"];

// ---- people -----------------------------------------------------------------------------------

export function peoplePane(desk, pane) {
  const field = make("input", {
    id: "query", type: "search", autocomplete: "off", maxlength: 200,
    "aria-label": desk.say("s.query"), placeholder: desk.say("s.query"),
  });
  const results = make("ul", { class: "cards" });
  const chosen = new Set();
  const together = make("button", { type: "button", class: "main", hidden: true });
  const drawTogether = () => {
    together.hidden = chosen.size < 2;
    together.textContent = desk.say("s.admitGroup", { n: chosen.size });
  };
  together.addEventListener("click", () =>
    askWhy(desk, pane, (text) => desk.ask("group", { participantIds: [...chosen], text }), "s.admit"));
  const form = make("form", { class: "line" }, field,
    make("button", { type: "submit", class: "main", text: desk.say("s.search") }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!field.value.trim()) return;
    chosen.clear();
    drawTogether();
    try {
      const found = await desk.ask("search", { query: field.value.trim() });
      const cards = found.people.map((one) => personCard(desk, pane, one, chosen, drawTogether));
      results.replaceChildren(...cards);
      if (cards.length) {
        form.querySelector("button").focus();
        pane.querySelector(".keys").hidden = true; // the answers need the room; the field brings it back
      }
      const told = found.people.length ? desk.say(found.source === "server" ? "s.fromServer" : "s.fromGate") : desk.say("s.none");
      desk.told(found.more ? `${told} · ${desk.say("s.more")}` : told);
    } catch (problem) {
      tellProblem(desk, problem);
    }
  });
  const board = keyboard(desk, field);
  field.addEventListener("focus", () => { board.hidden = false; });
  pane.replaceChildren(form, board, together, results);
  field.focus();
}

function personCard(desk, pane, one, chosen, drawTogether) {
  const pick = make("input", { type: "checkbox", "aria-label": `${desk.say("s.why3")}: ${one.maskedName}` });
  pick.addEventListener("change", () => {
    if (pick.checked) chosen.add(one.participantId);
    else chosen.delete(one.participantId);
    drawTogether();
  });
  const apart = [one.participantId, one.group, one.organization, one.email, one.phoneEnd && `…${one.phoneEnd}`,
    desk.say(one.inside ? "s.inside" : "s.outside")].filter(Boolean).join(" · ");
  const lines = [make("b", { text: one.name ?? one.maskedName }), make("span", { text: apart })];
  if (one.wouldSay && one.wouldSay !== "ok") {
    lines.push(make("span", { class: "why", text: one.message[desk.facts.language] }));
  }
  if (one.lastAt) {
    lines.push(make("span", { text: earlier(desk, {
      at: one.lastAt, gateName: one.gateName, gateId: one.lastGateId, direction: one.lastDirection, method: one.lastMethod,
    }) }));
  }
  return make("li", {}, make("label", { class: "pick" }, pick), make("div", { class: "who" }, ...lines),
    ...decideButtons(desk, pane, { participantId: one.participantId }));
}

function decideButtons(desk, pane, whom) {
  const button = (action, key) => make("button", {
    type: "button", class: action, text: desk.say(key),
    onclick: () => askWhy(desk, pane, (text) => desk.ask("decide", { ...whom, action, text }), key),
  });
  return [button("admit", "s.admit"), button("refuse", "s.refuse")];
}

function earlier(desk, { at, gateName, gateId, direction, method }) {
  return desk.say("s.earlier", {
    time: clockTime(at, desk.health.event?.timeZone),
    gate: gateName ?? gateId ?? "",
    way: direction ? desk.say(`s.${direction}`) : "",
    how: desk.say(method ? `s.${method}` : "s.howUnknown"),
  });
}

// ---- a reason, then it is recorded ------------------------------------------------------------

function askWhy(desk, pane, record, key) {
  const field = make("input", { id: "why", maxlength: 500, autocomplete: "off", "aria-label": desk.say("s.why") });
  let recording = false; // tapped twice is meant once
  const finish = async (text) => {
    if (!text.trim() || recording) return;
    recording = true;
    try {
      const done = await record(text.trim());
      const shown = done.items ?? [done];
      const names = shown.map((one) => `${one.maskedName ?? ""} ${desk.say(one.admitted === false ? "s.refused" : one.action ? "s.undone" : "s.admitted")}`);
      recentPane(desk, pane);
      desk.told(desk.say("s.done", { name: names.join(", ") }));
    } catch (problem) {
      recording = false;
      tellProblem(desk, problem);
    }
  };
  const list = REASONS.map((reason) => make("button", {
    type: "button", text: desk.say(reason), onclick: () => finish(desk.say(reason)),
  }));
  const form = make("form", { class: "line" }, field,
    make("button", { type: "submit", class: "main", text: desk.say("s.go") }),
    make("button", { type: "button", text: desk.say("s.cancel"), onclick: () => peoplePane(desk, pane) }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    finish(field.value);
  });
  pane.replaceChildren(make("h3", { text: `${desk.say(key)} – ${desk.say("s.why")}` }),
    make("div", { class: "choices" }, ...list), form, keyboard(desk, field));
}

function tellProblem(desk, problem) {
  if (problem.message !== "s.over") desk.told(desk.say("s.failed", { why: problem.message }));
}

// ---- what happened lately ---------------------------------------------------------------------

export async function recentPane(desk, pane) {
  try {
    const { items } = await desk.ask("recent");
    pane.replaceChildren(make("ul", { class: "cards" }, ...items.map((one) => recentCard(desk, pane, one))));
  } catch (problem) {
    tellProblem(desk, problem);
  }
}

function recentCard(desk, pane, one) {
  const { language } = desk.facts;
  const zone = desk.health.event?.timeZone;
  const outcome = desk.say(one.undone ? "s.undone" : one.admitted ? "s.admitted" : "s.refused");
  const head = `${clockTime(one.at, zone)} ${one.maskedName ?? ""} ${outcome} ${desk.say(`s.${one.method}`)}`;
  const lines = [make("b", { text: head })];
  if (one.reason !== "ok") lines.push(make("span", { class: "why", text: one.message[language] }));
  if (one.text) lines.push(make("span", { text: one.text }));
  if (one.earlier) lines.push(make("span", { text: earlier(desk, one.earlier) }));
  const buttons = [];
  if (!one.admitted && one.participantId) buttons.push(...decideButtons(desk, pane, { participantId: one.participantId }).slice(0, 1));
  if (one.mayUndo) {
    buttons.push(make("button", {
      type: "button", class: "refuse", text: desk.say("s.undo"),
      onclick: () => askWhy(desk, pane, (text) => desk.ask("undo", { scanId: one.scanId, text }), "s.undo"),
    }));
  }
  return make("li", {}, make("div", { class: "who" }, ...lines), ...buttons);
}

// ---- walk-ins ---------------------------------------------------------------------------------

export function walkInPane(desk, pane) {
  const fields = Object.fromEntries(["name", "email", "phone", "organization"].map((name) =>
    [name, make("input", { id: `walk-${name}`, name, maxlength: 200, autocomplete: "off", required: name === "name" })]));
  const board = make("div");
  for (const field of Object.values(fields)) {
    field.addEventListener("focus", () => board.replaceChildren(keyboard(desk, field)));
  }
  const rows = Object.entries(fields).map(([name, field]) =>
    make("p", { class: "field" }, make("label", { for: field.id, text: desk.say(`s.${name}`) }), field));
  const form = make("form", { class: "walk" }, ...rows,
    make("button", { type: "submit", class: "main", text: desk.say("s.admit") }), board);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.entries(fields).filter(([, field]) => field.value.trim());
    const walkIn = Object.fromEntries(given.map(([name, field]) => [name, field.value.trim()]));
    askWhy(desk, pane, (text) => desk.ask("decide", { walkIn, action: "admit", text }), "s.admit");
  });
  pane.replaceChildren(form);
  fields.name.focus();
}
