// The team: accounts with their roles and passwords, PINs for the gates, keys of services.
import { atLeast, call, make, startPage, theEvent } from "./shell.js";
import { currentLanguage, learn, tell } from "./words.js";
import words from "./words.team.js";
import { areYouSure } from "./sure.js";

learn(words);
const ROLES = ["viewer", "supervisor", "operator", "owner"];
const UPPER = new Set(["operator", "owner"]); // whom only an owner makes or changes
const AT_GATES = new Set(["supervisor", "operator", "owner"]);
const KEY_ROLES = ["service", ...ROLES];
const FAULTS = { last_owner: "lastOwner", name_taken: "nameTaken", owner_needed: "ownerNeeded", not_a_supervisor: "notAtGates" };
const byId = (id) => document.getElementById(id);
const page = { team: [], keys: [], said: null, problem: null, newKey: null, secret: null };

startPage({ signedIn: refresh, signedOut: forget, draw });
byId("add").addEventListener("submit", addPerson);
byId("add-key").addEventListener("submit", addKey);
byId("secret-form").addEventListener("submit", keepSecret);
byId("secret-no").addEventListener("click", () => byId("secret").close());

function forget() {
  Object.assign(page, { team: [], keys: [], said: null, problem: null, newKey: null });
}

async function refresh() {
  const [team, keys] = await Promise.all([
    call("GET", "/operators"),
    atLeast("owner") ? call("GET", "/api-keys") : { ok: true, data: { items: [] } },
  ]);
  if (team.ok) page.team = team.data.items;
  if (keys.ok) page.keys = keys.data.items;
  drawTeam();
  drawKeys();
}

const mayChange = (role) => atLeast("owner") || !UPPER.has(role);
const messageOf = (answer) => (answer.ok || answer.status === 401 ? null : FAULTS[answer.code] ? tell(FAULTS[answer.code]) : answer.message);

async function act(method, path, body, said) {
  const answer = await call(method, path, body);
  page.problem = messageOf(answer);
  page.said = answer.ok ? said : null;
  await refresh();
  return answer;
}

// ---- what the buttons do ----------------------------------------------------------------------

async function setActive(person, active) {
  const effect = tell(active ? "inEffect" : "outEffect");
  if (!(await areYouSure(tell(active ? "letIn" : "letOut", person), effect, tell("doIt"), !active))) return;
  act("PATCH", `/operators/${person.operatorId}`, { active }, tell("done"));
}

async function setRole(person, role) {
  const title = tell("roleSure", { name: person.name, role: tell(`role.${role}`) });
  if (await areYouSure(title, tell(`may.${role}`), tell("doIt"), false)) {
    await act("PATCH", `/operators/${person.operatorId}`, { role }, tell("done"));
  }
  drawTeam();
}

function askSecret(person, kind) {
  page.secret = { person, kind };
  const input = byId("secret-text");
  Object.assign(input, { type: "password", value: "", autocomplete: "new-password", inputMode: kind === "pin" ? "numeric" : "text" });
  input.removeAttribute("aria-invalid");
  byId("secret-title").textContent = tell(`${kind}Title`, { name: person.name });
  byId("secret-label").textContent = tell(`${kind}Label`);
  byId("secret-words").textContent = tell(`${kind}Hint`);
  byId("secret-problem").textContent = "";
  byId("secret").showModal();
}

async function keepSecret(event) {
  event.preventDefault();
  const { person, kind } = page.secret;
  const value = byId("secret-text").value;
  const good = kind === "pin" ? /^\d{6,12}$/.test(value) : value.length >= 8;
  const path = `/operators/${person.operatorId}`;
  if (good) {
    const answer = kind === "pin" ? await act("PUT", `${path}/pin`, { pin: value }, tell("pinSet")) : await act("PATCH", path, { password: value }, tell("passwordSet"));
    if (answer.ok || answer.status === 401) {
      byId("secret").close();
      return;
    }
    byId("secret-problem").textContent = messageOf(answer);
  } else {
    byId("secret-problem").textContent = tell(`${kind}Hint`);
  }
  byId("secret-text").setAttribute("aria-invalid", "true");
  byId("secret-text").focus();
}

async function removePin(person) {
  if (!(await areYouSure(tell("pinRemove"), tell("pinRemoveEffect"), tell("doIt"), true))) return;
  act("DELETE", `/operators/${person.operatorId}/pin`, undefined, tell("done"));
}

async function addPerson(event) {
  event.preventDefault();
  const [name, role, password] = ["name", "role", "password"].map((one) => byId(`new-${one}`).value.trim());
  const faults = {};
  if (!name) faults.name = tell("needed");
  if (password && password.length < 8) faults.password = tell("passwordHint");
  if (Object.keys(faults).length === 0) {
    const answer = await act("POST", "/operators", { name, role, ...(password ? { password } : {}) }, tell("added", { name }));
    if (answer.ok) {
      byId("add").reset();
      return;
    }
    if (answer.field) {
      faults[answer.field] = messageOf(answer);
      page.problem = null;
      drawTeam();
    }
  }
  showFaults("new", ["name", "password"], faults);
}

async function addKey(event) {
  event.preventDefault();
  const [name, role] = ["name", "role"].map((one) => byId(`key-${one}`).value.trim());
  const answer = name ? await act("POST", "/api-keys", { name, role }, null) : null;
  page.newKey = answer?.ok ? answer.data : null;
  if (answer?.ok) byId("add-key").reset();
  showFaults("key", ["name"], answer?.ok ? {} : { name: answer ? messageOf(answer) : tell("needed") });
  drawKeys();
}

async function revokeKey({ name }) {
  if (!(await areYouSure(tell("keyRevoke", { name }), tell("keyRevokeEffect"), tell("doIt"), true))) return;
  act("DELETE", `/api-keys/${encodeURIComponent(name)}`, undefined, tell("done"));
}

function showFaults(form, names, faults) {
  for (const name of names) {
    byId(`${form}-${name}-problem`).textContent = faults[name] ?? "";
    byId(`${form}-${name}`).toggleAttribute("aria-invalid", false);
    if (faults[name]) byId(`${form}-${name}`).setAttribute("aria-invalid", "true");
  }
  document.querySelector(`#${form}-${Object.keys(faults)[0]}`)?.focus();
}

// ---- drawing ----------------------------------------------------------------------------------

function draw() {
  byId("keys-card").hidden = !atLeast("owner");
  const heads = (keys) => keys.map((key) => make("th", { scope: "col" }, tell(key)));
  byId("team-heads").replaceChildren(...heads(["who", "role", "signsIn", "pin", "state", "action"]));
  byId("keys-heads").replaceChildren(...heads(["keyName", "role", "since", "state", "action"]));
  const roles = ROLES.filter((role) => mayChange(role));
  drawForm("add", [field("new", "name", "who"), choice("new", "role", roles), field("new", "password", "newPassword", "passwordOptional")], "add");
  drawForm("add-key", [field("key", "name", "keyName"), choice("key", "role", KEY_ROLES)], "makeKey");
  drawTeam();
  drawKeys();
}

// What was typed stays when the language changes.
function drawForm(id, fields, button) {
  const typed = [...byId(id).elements].map(({ value }) => value);
  byId(id).replaceChildren(...fields, make("button", { className: "main" }, tell(button)));
  [...byId(id).elements].forEach((element, place) => {
    if (element.tagName !== "BUTTON" && typed[place]) element.value = typed[place];
  });
}

function field(form, name, label, hint) {
  const id = `${form}-${name}`;
  const input = make("input", { id, type: name === "password" ? "password" : "text", autocomplete: name === "password" ? "new-password" : "off", maxLength: name === "password" ? 1000 : 80, "aria-describedby": `${id}-problem ${id}-hint` });
  return make("div", { className: "field" }, make("label", { htmlFor: id }, tell(label)), input, make("span", { id: `${id}-problem`, className: "problem" }), make("span", { id: `${id}-hint`, className: "soft" }, hint ? tell(hint) : ""));
}

function choice(form, name, roles) {
  const id = `${form}-${name}`;
  return make("div", { className: "field" }, make("label", { htmlFor: id }, tell("role")), make("select", { id }, ...options(roles)));
}

const options = (roles) => roles.map((role) => make("option", { value: role }, tell(`role.${role}`)));

function drawTeam() {
  byId("team-said").textContent = page.said ?? "";
  byId("team-problem").textContent = page.problem ?? "";
  byId("team-body").replaceChildren(...page.team.map(rowOf));
}

function rowOf(person) {
  const { operatorId, name, role, active, pinSetAt, signsIn } = person;
  const may = mayChange(role);
  const select = make("select", { "aria-label": tell("roleOf", { name }), disabled: !may || !active, onchange: () => setRole(person, select.value) }, ...options(ROLES.filter((one) => one === role || mayChange(one))));
  select.value = role;
  const buttons = make("div", { className: "row" });
  const add = (key, onclick, className = "") => buttons.append(make("button", { type: "button", className, onclick, "aria-label": tell(`${key}Of`, { name }) }, tell(key)));
  if (active && may) add("password", () => askSecret(person, "password"));
  if (active && AT_GATES.has(role)) {
    add("pin", () => askSecret(person, "pin"));
    if (pinSetAt) add("pinRemove", () => removePin(person));
    buttons.append(make("a", { href: `/api/v1/operators/${operatorId}/badge.svg`, target: "_blank", rel: "noopener", "aria-label": tell("badgeOf", { name }) }, tell("badge")));
  }
  if (may) add(active ? "letOut" : "letIn", () => setActive(person, !active), active ? "grave" : "");
  return make(
    "tr",
    { className: active ? "" : "gone" },
    make("th", { scope: "row" }, name),
    make("td", {}, select),
    make("td", {}, tell(signsIn ? "yes" : "gatesOnly")),
    make("td", {}, pinSetAt ? day(pinSetAt) : "–"),
    make("td", {}, tell(active ? "active" : "gone")),
    make("td", {}, buttons),
  );
}

function drawKeys() {
  byId("keys-body").replaceChildren(
    ...page.keys.map((key) => {
      const last = key.revokedAt ? "" : make("button", { type: "button", className: "grave", onclick: () => revokeKey(key), "aria-label": tell("keyRevoke", key) }, tell("revoke"));
      return make("tr", { className: key.revokedAt ? "gone" : "" }, make("th", { scope: "row" }, key.name), make("td", {}, tell(`role.${key.role}`)), make("td", {}, day(key.createdAt)), make("td", {}, key.revokedAt ? tell("revokedAt", { at: day(key.revokedAt) }) : tell("active")), make("td", {}, last));
    }),
  );
  byId("new-key").hidden = !page.newKey;
  byId("new-key-words").textContent = page.newKey ? tell("keyOnce", page.newKey) : "";
  byId("new-key-text").textContent = page.newKey?.key ?? "";
}

function day(at) {
  const style = { dateStyle: "medium", timeStyle: "short", timeZone: theEvent()?.timeZone };
  return new Intl.DateTimeFormat(currentLanguage(), style).format(new Date(at));
}
