// Registering somebody, or changing what is known of them; each mistake stands beside its field.
import { call, make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
const FIELDS = [
  { name: "name", required: true, autocomplete: "off", maxLength: 200 },
  { name: "email", required: true, type: "email", maxLength: 320 },
  { name: "phone", type: "tel", hint: true, maxLength: 50 },
  { name: "organization", maxLength: 500 },
  { name: "group", list: "groups-known", maxLength: 500 },
  { name: "birthDate", hint: true, maxLength: 30 },
  { name: "region", hint: true, maxLength: 100 },
  { name: "language", choices: ["", "ko", "en"] },
  { name: "permissions", hint: true, maxLength: 500 },
  { name: "id", hint: true, onlyNew: true, maxLength: 100 },
  { name: "code", hint: true, onlyNew: true, maxLength: 200 },
];
const form = { person: null, open: false, faults: [], on: null };

// `on.saved(person)` once it is kept.
export function startForm(on) {
  form.on = on;
  byId("form").addEventListener("submit", save);
  byId("form-dialog").addEventListener("close", () => (form.open = false));
}

export function openForm(person) {
  Object.assign(form, { person, open: true, faults: [] });
  build();
  byId("form-dialog").showModal();
  byId("field-name").focus();
}

// After a change of language: what was typed stays.
export function drawForm() {
  if (!form.open) return;
  const typed = values();
  build();
  for (const [name, value] of Object.entries(typed)) byId(`field-${name}`).value = value;
  drawFaults();
}

const shown = () => FIELDS.filter(({ onlyNew }) => !onlyNew || !form.person);
const values = () => Object.fromEntries(shown().map(({ name }) => [name, byId(`field-${name}`).value.trim()]));

function known(name) {
  const value = form.person?.[name] ?? "";
  return Array.isArray(value) ? value.join("; ") : value;
}

function build() {
  byId("form-title").textContent = tell(form.person ? "editTitle" : "registerTitle");
  byId("form").replaceChildren(
    make("div", { className: "grid" }, ...shown().map(fieldOf)),
    make("p", { id: "form-problem", className: "problem", role: "alert" }),
    make(
      "div",
      { className: "row" },
      make("button", { type: "button", onclick: () => byId("form-dialog").close() }, tell("no")),
      make("button", { className: "main" }, tell(form.person ? "save" : "register")),
    ),
  );
}

function fieldOf({ name, hint, choices, required, ...rest }) {
  const id = `field-${name}`;
  const described = [`${id}-problem`, hint && `${id}-hint`].filter(Boolean).join(" ");
  const common = { id, name, "aria-describedby": described };
  const { list, ...plain } = rest;
  delete plain.onlyNew;
  const input = choices
    ? make("select", common, ...choices.map((value) => make("option", { value }, tell(`language.${value || "any"}`))))
    : make("input", { ...common, ...plain, required: Boolean(required), value: known(name) });
  if (choices) input.value = known(name);
  if (list) input.setAttribute("list", list);
  return make(
    "div",
    { className: "field" },
    make("label", { htmlFor: id }, tell(`field.${name}`) + (required ? " *" : "")),
    input,
    make("span", { id: `${id}-problem`, className: "problem" }),
    ...(hint ? [make("span", { id: `${id}-hint`, className: "soft" }, tell(`hint.${name}`))] : []),
  );
}

async function save(event) {
  event.preventDefault();
  const typed = values();
  const body = form.person ? changes(typed) : Object.fromEntries(Object.entries(asMembers(typed)).filter(([, value]) => value !== null));
  form.faults = ["name", "email"].filter((name) => !typed[name]).map((field) => ({ field, code: "missing" }));
  if (form.faults.length === 0) {
    const path = form.person ? `/participants/${encodeURIComponent(form.person.id)}` : "/participants";
    const answer = await call(form.person ? "PATCH" : "POST", path, body);
    if (answer.ok) {
      byId("form-dialog").close();
      form.on.saved(answer.data);
      return;
    }
    if (answer.status === 401) byId("form-dialog").close();
    const { code, field, message } = answer;
    form.faults = answer.data?.error?.errors ?? [{ field, code, message }];
  }
  drawFaults();
  document.querySelector("#form [aria-invalid=true]")?.focus();
}

// Members as the API has them: nothing is null, permissions are a list.
function asMembers(typed) {
  const body = Object.fromEntries(Object.entries(typed).map(([name, value]) => [name, value || null]));
  if (body.permissions) body.permissions = body.permissions.split(";").map((one) => one.trim()).filter(Boolean);
  return body;
}

function changes(typed) {
  const body = asMembers(typed);
  for (const name of Object.keys(body)) {
    if (typed[name] === known(name) || (name === "permissions" && body[name] === null)) delete body[name];
  }
  return body;
}

function drawFaults() {
  const besides = [];
  for (const { name } of shown()) {
    byId(`field-${name}`).removeAttribute("aria-invalid");
    byId(`field-${name}-problem`).textContent = "";
  }
  for (const fault of form.faults) {
    const place = fault.field && byId(`field-${fault.field}-problem`);
    if (!place) {
      besides.push(said(fault));
      continue;
    }
    byId(`field-${fault.field}`).setAttribute("aria-invalid", "true");
    place.textContent = said(fault);
  }
  byId("form-problem").textContent = besides.join(" ");
}

function said({ code, message, messageKo }) {
  if (code === "missing") return tell("fault.missing");
  return currentLanguage() === "ko" ? (messageKo ?? message) : message;
}
