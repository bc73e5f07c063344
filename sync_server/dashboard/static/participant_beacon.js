// A beacon for a participant: its id typed, or the badge held to a gate that names what it hears.
import { call, make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const LISTEN_MS = 1000;
const FIELDS = {
  ibeacon: ["uuid", "major", "minor"],
  altbeacon: ["id"],
  "eddystone-uid": ["namespace", "instance"],
  "eddystone-eid": ["identityKey", "rotationExponent", "eid"],
};
const NUMBERS = new Set(["major", "minor", "rotationExponent"]);
const OPTIONAL = new Set(["eid"]);
const state = { of: null, open: false, type: "ibeacon", typed: {}, faults: {}, problem: null, gates: null, gate: "", pairing: null, added: null };
let listening;

// Another person is shown, or none: a gate that listens may stop.
export function leaveBeacon() {
  clearTimeout(listening);
  if (state.pairing) call("DELETE", `/pairings/${state.pairing.id}`);
  Object.assign(state, { of: null, open: false, typed: {}, faults: {}, problem: null, pairing: null, added: null });
}

// The part of the page; `added` is called once a beacon is the person's.
export function beaconForm(person, added) {
  state.of = person.id;
  state.added = added;
  const place = make("details", { id: "beacon-place", open: state.open, ontoggle: () => opened(place.open) });
  place.append(make("summary", {}, tell("beaconAdd")), make("div", { id: "beacon-form" }, ...content()));
  return place;
}

async function opened(open) {
  state.open = open;
  if (!open || state.gates) return;
  const asked = await call("GET", "/gates");
  state.gates = asked.ok ? asked.data.items : [];
  draw();
}

function draw() {
  byId("beacon-form")?.replaceChildren(...content());
}

function content() {
  const type = make(
    "select",
    { id: "beacon-type", onchange: () => (keep(), Object.assign(state, { type: type.value, faults: {}, problem: null }), draw()) },
    ...Object.keys(FIELDS).map((value) => make("option", { value }, tell(`beacon.${value}`))),
  );
  type.value = state.type;
  const form = make(
    "form",
    { noValidate: true, onsubmit: send },
    make("div", { className: "grid" }, make("div", { className: "field" }, make("label", { htmlFor: "beacon-type" }, tell("beaconType")), type), ...FIELDS[state.type].map(fieldOf)),
    make("p", { className: "problem", role: "alert", id: "beacon-problem" }, state.problem ?? ""),
    make("div", { className: "row" }, make("button", {}, tell("beaconGive"))),
  );
  return [form, make("h3", {}, tell("pairTitle")), ...pairing()];
}

function fieldOf(name) {
  const id = `beacon-${name}`;
  const fault = state.faults[name];
  const input = make("input", { id, name, autocomplete: "off", spellcheck: false, maxLength: 100, value: state.typed[name] ?? "", "aria-describedby": `${id}-hint ${id}-problem` });
  if (NUMBERS.has(name)) input.inputMode = "numeric";
  if (fault) input.setAttribute("aria-invalid", "true");
  return make(
    "div",
    { className: "field" },
    make("label", { htmlFor: id }, tell(`beacon.${name}`)),
    input,
    make("span", { id: `${id}-problem`, className: "problem" }, fault ?? ""),
    make("span", { id: `${id}-hint`, className: "soft" }, tell(`beaconHint.${name}`)),
  );
}

function keep() {
  for (const name of FIELDS[state.type]) state.typed[name] = byId(`beacon-${name}`)?.value.trim() ?? "";
}

// What is typed as the API's members; a mistake is kept beside its field.
function members(names) {
  const body = {};
  state.faults = {};
  for (const name of names) {
    const value = state.typed[name];
    if (!value && OPTIONAL.has(name)) continue;
    if (!value) state.faults[name] = tell("fault.missing");
    else if (!NUMBERS.has(name)) body[name] = value;
    else if (/^\d{1,5}$/.test(value)) body[name] = Number(value);
    else state.faults[name] = tell(`beaconHint.${name}`);
  }
  return Object.keys(state.faults).length ? null : body;
}

async function send(event) {
  event.preventDefault();
  keep();
  state.problem = null;
  const body = members(FIELDS[state.type]);
  if (body) {
    const answer = await call("POST", `/participants/${encodeURIComponent(state.of)}/credentials`, { kind: "beacon", beacon: { type: state.type, ...body } });
    if (answer.ok) {
      done();
      return;
    }
    refused(answer);
  }
  draw();
  document.querySelector("#beacon-form [aria-invalid=true]")?.focus();
}

function refused(answer) {
  const name = answer.field?.split(".").at(-1);
  const korean = currentLanguage() === "ko";
  if (answer.code === "beacon_taken") state.problem = tell("beaconTaken");
  else if (FIELDS[state.type].includes(name)) state.faults[name] = korean ? tell(`beaconHint.${name}`) : answer.message;
  else state.problem = answer.message;
}

function done() {
  Object.assign(state, { typed: {}, faults: {}, problem: null, pairing: null, open: false });
  state.added();
}

// ---- pairing at a gate ------------------------------------------------------------------------

function pairing() {
  const hint = make("p", { className: "soft" }, tell("pairHint"));
  const { pairing: open } = state;
  if (!open) {
    const gate = make("select", { id: "pair-gate", onchange: () => (state.gate = gate.value) }, ...(state.gates ?? []).map(({ id, name }) => make("option", { value: id }, name)));
    if (state.gate) gate.value = state.gate;
    const start = make("button", { type: "button", onclick: listen, disabled: !state.gates?.length }, tell("pairStart"));
    return [hint, make("div", { className: "row" }, make("div", { className: "field" }, make("label", { htmlFor: "pair-gate" }, tell("gate")), gate), start)];
  }
  const heard = open.nearest;
  const words = heard ? tell("pairHeard", { beacon: heard.beacon, rssi: Math.round(heard.rssi) }) : tell("pairWaits", { gate: open.gateId });
  const buttons = make("div", { className: "row" }, make("button", { type: "button", onclick: stop }, tell("pairStop")));
  if (heard) buttons.prepend(make("button", { type: "button", className: "main", onclick: () => confirm(heard) }, tell("pairConfirm")));
  const keys = heard?.rotating ? [make("div", { className: "grid" }, ...["identityKey", "rotationExponent"].map(fieldOf))] : [];
  return [hint, make("p", { role: "status" }, words), ...keys, buttons];
}

async function listen() {
  keep();
  const gate = byId("pair-gate").value;
  const answer = await call("POST", `/gates/${encodeURIComponent(gate)}/pairings`, { participantId: state.of });
  state.problem = answer.ok ? null : answer.message;
  state.pairing = answer.ok ? answer.data : null;
  draw();
  if (answer.ok) listening = setTimeout(ask, LISTEN_MS);
}

async function ask() {
  if (!state.pairing) return;
  const answer = await call("GET", `/pairings/${state.pairing.id}`);
  if (!state.pairing) return;
  const before = state.pairing.nearest?.beacon;
  state.pairing = answer.ok ? answer.data : null;
  if (!answer.ok) state.problem = answer.status === 404 ? tell("pairOver") : answer.message;
  const typing = document.activeElement?.tagName === "INPUT" && before === state.pairing?.nearest?.beacon;
  if (!typing) {
    keep();
    draw();
  }
  if (state.pairing) listening = setTimeout(ask, LISTEN_MS);
}

async function confirm(heard) {
  clearTimeout(listening);
  for (const name of ["identityKey", "rotationExponent"]) state.typed[name] = byId(`beacon-${name}`)?.value.trim() ?? "";
  const keys = heard.rotating ? members(["identityKey", "rotationExponent"]) : {};
  if (keys) {
    const answer = await call("POST", `/pairings/${state.pairing.id}/confirm`, { beacon: heard.beacon, ...keys });
    if (answer.ok) {
      done();
      return;
    }
    refused(answer);
    if (answer.status === 404) state.pairing = null;
  }
  draw();
  if (state.pairing) listening = setTimeout(ask, LISTEN_MS);
}

function stop() {
  clearTimeout(listening);
  call("DELETE", `/pairings/${state.pairing.id}`);
  state.pairing = null;
  draw();
}
