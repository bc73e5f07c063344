// The event's page: where in its life it is, what each step would do, and its times and settings.
// Nothing is changed before the server has said what the change does and somebody has confirmed it.
import { atLeast, call, make, startPage } from "./shell.js";
import { currentLanguage, learn, tell } from "./words.js";
import words from "./words.event.js";
import { localText, zonedMoment } from "./zoned.js";

learn(words);
const LIFE = ["draft", "open", "live", "ended", "archived"];
const ASK_MS = 10_000; // the numbers move while somebody reads
const byId = (id) => document.getElementById(id);
const known = { event: null, life: null };
let timer;

// name → {kind, get(event), put(patch, text, event)}; what `GET /event` and `PATCH /event` call it
const inSettings = (name) => ({
  get: ({ settings }) => settings[name],
  put: (patch, value) => ((patch.settings ??= {})[name] = value),
});
const atTop = (name) => ({ get: (event) => event[name], put: (patch, value) => (patch[name] = value) });
const moment = (name) => ({
  kind: "datetime-local",
  get: (event) => localText(event[name], event.timeZone),
  put(patch, value, event) {
    patch[name] = zonedMoment(value, patch.timeZone ?? event.timeZone);
  },
});
const FIELDS = {
  eventName: { kind: "text", ...atTop("eventName") },
  venue: { kind: "text", ...atTop("venue") },
  startDate: moment("startDate"),
  endDate: moment("endDate"),
  timeZone: { kind: "text", ...atTop("timeZone") },
  margin: {
    kind: "number",
    max: 10_080,
    get: ({ settings }) => settings.admissionMarginSeconds / 60,
    put: (patch, value) => ((patch.settings ??= {}).admissionMarginSeconds = Math.round(value * 60)),
  },
  window: { kind: "number", max: 86_400, ...inSettings("duplicateWindowSeconds") },
  signedTickets: { kind: "choice", of: ["late", "always", "never"], ...inSettings("signedTickets") },
  defaultRegion: { kind: "text", ...inSettings("defaultRegion") },
  multiple: { kind: "checkbox", ...inSettings("allowMultipleCheckins") },
  reentry: { kind: "checkbox", ...inSettings("allowReentryAfterExit") },
};

// ---- asking -----------------------------------------------------------------------------------

async function ask() {
  clearTimeout(timer);
  const [event, life] = await Promise.all([call("GET", "/event"), call("GET", "/event/transitions")]);
  if (event.ok) known.event = event.data;
  if (life.ok) known.life = life.data;
  draw();
  timer = setTimeout(ask, ASK_MS);
}

function forget() {
  clearTimeout(timer);
  Object.assign(known, { event: null, life: null });
  byId("settings").replaceChildren();
  byId("transitions").replaceChildren();
  if (byId("sure").open) byId("sure").close();
}

// ---- its life ---------------------------------------------------------------------------------

function effectList(effects) {
  const items = effects.map((effect) => {
    const item = make("li", {}, effect[currentLanguage()]);
    item.dataset.grave = effect.grave;
    return item;
  });
  return make("ul", { className: "effects" }, ...items);
}

function drawLife() {
  const { life } = known;
  if (!life) return;
  byId("steps").replaceChildren(
    ...LIFE.map((status) => {
      const step = make("li", {}, tell(`status.${status}`));
      if (status === life.status) step.setAttribute("aria-current", "step");
      return step;
    }),
  );
  const zone = known.event?.timeZone;
  const said = life.byItself.map(({ status, at }) =>
    tell("byItself", { status: tell(`status.${status}`), at: localText(at, zone).replace("T", " ") }),
  );
  byId("by-itself").textContent = said.join(" ") || tell(life.status === "archived" ? "archived" : "notByItself");
  drawTransitions(life.transitions);
}

function drawTransitions(transitions) {
  const list = byId("transitions");
  const mark = JSON.stringify([transitions, currentLanguage(), atLeast("operator")]);
  if (list.dataset.mark === mark) return; // a reader's place stays
  list.dataset.mark = mark;
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.status : null;
  const ordered = [...transitions].sort((a, b) => Number(b.usual) - Number(a.usual));
  list.replaceChildren(...ordered.map(newTransition));
  list.querySelector(`button[data-status="${focused}"]`)?.focus();
}

function newTransition(transition) {
  const { status, usual, back, final, effects } = transition;
  const marks = [usual && "usual", back && "back", final && "final"].filter(Boolean).map((name) => tell(name));
  const heading = make("h3", {}, tell("to", { status: tell(`status.${status}`) }));
  if (marks.length) heading.append(make("small", {}, marks.join(" · ")));
  const item = make("li", {}, heading, effectList(effects));
  if (!atLeast("operator")) return item;
  const name = tell("change", { status: tell(`status.${status}`) });
  const button = make("button", { type: "button", className: final ? "grave" : usual ? "main" : "" }, name);
  button.dataset.status = status;
  button.addEventListener("click", () => sure(name, effects, final, () => take(status)));
  item.append(button);
  return item;
}

async function take(status) {
  const answer = await call("POST", "/event/status", { status });
  byId("life-said").textContent = answer.ok ? tell("changed", { status: tell(`status.${status}`) }) : answer.message;
  await ask();
}

// Asks once more, with what the change does; `deed` is done when somebody says so.
function sure(title, effects, final, deed) {
  const dialog = byId("sure");
  const yes = make("button", { type: "button", className: final ? "grave" : "main" }, title);
  const no = make("button", { type: "button", onclick: () => dialog.close() }, tell("cancel"));
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    await deed();
    dialog.close();
  });
  const buttons = make("div", { className: "row" }, yes, no);
  dialog.replaceChildren(make("h2", { id: "sure-title" }, title), effectList(effects), buttons);
  dialog.showModal();
  no.focus();
}

// ---- times and settings -----------------------------------------------------------------------

function newField(name, { kind, max, of }) {
  const id = `event-${name}`;
  const label = make("label", { htmlFor: id });
  if (kind === "choice") return make("div", { className: "field" }, label, make("select", { id }, ...of.map((one) => new Option("", one))));
  const input = make("input", { id, type: kind, autocomplete: "off" });
  if (kind === "number") Object.assign(input, { min: 0, max, step: "any" });
  if (kind === "text") input.maxLength = 500;
  return kind === "checkbox"
    ? make("div", { className: "check" }, input, label)
    : make("div", { className: "field" }, label, input);
}

function drawSettings() {
  const form = byId("settings");
  if (!known.event) return;
  if (!form.children.length) {
    const buttons = make("div", { className: "row" }, make("button", { id: "look" }), make("button", { id: "reset", type: "button", onclick: reset }));
    form.append(...Object.entries(FIELDS).map(([name, field]) => newField(name, field)), buttons);
    reset();
  }
  const may = atLeast("operator");
  for (const [name, field] of Object.entries(FIELDS)) {
    form.querySelector(`label[for=event-${name}]`).textContent = tell(`field.${name}`);
    const input = byId(`event-${name}`);
    input.disabled = !may;
    if (field.kind === "choice") for (const option of input.options) option.text = tell(`signed.${option.value}`);
  }
  byId("look").textContent = tell("look");
  byId("reset").textContent = tell("reset");
  byId("look").hidden = byId("reset").hidden = !may;
}

const valueOf = (input, kind) =>
  kind === "checkbox" ? input.checked : kind === "number" ? Number(input.value) : input.value.trim();

function reset() {
  for (const [name, { kind, get }] of Object.entries(FIELDS)) {
    const input = byId(`event-${name}`);
    if (kind === "checkbox") input.checked = get(known.event);
    else input.value = get(known.event);
  }
  byId("settings-problem").textContent = "";
}

// Only what differs from what the server holds is sent.
function patchOf() {
  const patch = {};
  const zone = byId("event-timeZone").value.trim();
  if (zone !== known.event.timeZone) patch.timeZone = zone;
  for (const [name, { kind, get, put }] of Object.entries(FIELDS)) {
    const value = valueOf(byId(`event-${name}`), kind);
    if (name !== "timeZone" && value !== get(known.event)) put(patch, value, known.event);
  }
  return patch;
}

byId("settings").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("settings-said").textContent = "";
  let patch;
  try {
    patch = patchOf();
  } catch (problem) {
    console.error(problem);
    byId("settings-problem").textContent = tell("badTime");
    return;
  }
  if (!Object.keys(patch).length) {
    byId("settings-problem").textContent = tell("same");
    return;
  }
  const answer = await call("POST", "/event/preview", patch);
  byId("settings-problem").textContent = answer.ok ? "" : answer.message;
  if (answer.ok) sure(tell("save"), answer.data.effects, false, () => save(patch));
});

async function save(patch) {
  const answer = await call("PATCH", "/event", patch);
  if (!answer.ok) {
    byId("settings-problem").textContent = answer.message;
    return;
  }
  known.event = answer.data;
  reset();
  byId("settings-said").textContent = tell("saved");
  await ask();
}

function draw() {
  drawLife();
  drawSettings();
}

await startPage({ signedIn: ask, signedOut: forget, draw });
