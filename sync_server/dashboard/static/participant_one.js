// One participant: what is known, the ticket, what may be done, beacons, and what happened.
import { call, make, theEvent } from "./shell.js";
import { currentLanguage, tell } from "./words.js";
import { beaconForm, leaveBeacon } from "./participant_beacon.js";
import { download } from "./download.js";
import { areYouSure } from "./sure.js";

const byId = (id) => document.getElementById(id);
const KNOWN = ["email", "phone", "organization", "group", "birthDate", "region", "language", "permissions", "id"];
const HEARD_EVERY_MS = 3000;
const HEARD_TRIES = 40;
const one = { person: null, picture: null, history: [], problem: null, said: null, heard: null, on: null };
let hearing;

// `on.changed()` after each change, `on.edit(person)` to open the form.
export function startOne(on) {
  one.on = on;
}

export function closeOne() {
  clearTimeout(hearing);
  leaveBeacon();
  Object.assign(one, { person: null, picture: null, history: [], problem: null, said: null, heard: null });
  drawOne();
}

export async function openOne(id) {
  const again = one.person?.id === id;
  if (!again) closeOne();
  await load(id);
  if (!again && one.person) {
    byId("one").scrollIntoView({ block: "nearest" });
    byId("one").focus();
  }
}

async function load(id) {
  const path = `/participants/${encodeURIComponent(id)}`;
  const [person, told] = await Promise.all([call("GET", path), call("GET", `${path}/history`)]);
  if (!person.ok) {
    closeOne();
    return;
  }
  one.person = person.data;
  one.history = told.ok ? told.data.items : [];
  one.picture = hasTicket() ? await pictureOf(path) : null;
  drawOne();
}

const active = (kind) => one.person.credentials.filter((held) => held.kind === kind && held.status === "active");
const hasTicket = () => one.person.status === "registered" && active("ticket").length > 0;

// As a data address: a new ticket has the same URL as the one that it revoked.
async function pictureOf(path) {
  const answer = await fetch(`/api/v1${path}/ticket.svg`).catch(() => null);
  if (!answer?.ok) return null;
  return `data:image/svg+xml;base64,${btoa(await answer.text())}`;
}

// ---- doing ------------------------------------------------------------------------------------

async function act(title, effect, yes, grave, method, path, body, said) {
  if (!(await areYouSure(title, effect, yes, grave))) return;
  const { id } = one.person;
  const answer = await call(method, path, body);
  one.problem = answer.ok || answer.status === 401 ? null : answer.message;
  one.said = answer.ok ? said : null;
  if (one.person?.id !== id) return;
  await load(id);
  one.on.changed();
  if (answer.ok) watchGates();
}

const path = (rest = "") => `/participants/${encodeURIComponent(one.person.id)}${rest}`;
const setStatus = (status, title, effect, grave) =>
  act(tell(title), tell(effect), tell("doIt"), grave, "PATCH", path(), { status }, tell("kept"));
const cancel = () => act(tell("cancel"), tell("cancelEffect"), tell("doIt"), true, "DELETE", path(), undefined, tell("kept"));
const reissue = () =>
  act(tell("reissue"), tell("reissueEffect"), tell("doIt"), true, "POST", path("/credentials"), { kind: "ticket" }, tell("reissued"));
const revoke = (held) =>
  act(tell("revoke"), tell("revokeEffect"), tell("doIt"), true, "DELETE", `/credentials/${held.id}`, undefined, tell("kept"));

async function mail() {
  const answer = await call("POST", "/mail/send", { participantIds: [one.person.id], again: true });
  one.said = answer.ok ? tell("mailQueued", { n: answer.data.queued }) : null;
  one.problem = answer.ok ? null : answer.code === "mail_not_configured" ? tell("mailMissing") : answer.message;
  await load(one.person.id);
}

async function save() {
  const made = await download(path("/ticket.pdf"), `ticket-${one.person.id}.pdf`);
  one.said = made.ok ? made.note : null;
  one.problem = made.ok ? null : made.message;
  drawOne();
}

// How many gates know of the change: a gate that is away refuses by what it heard last.
async function watchGates(tries = HEARD_TRIES) {
  clearTimeout(hearing);
  const asked = await call("GET", "/devices");
  if (!asked.ok || !one.person) return;
  const gates = asked.data.items.filter(({ state }) => state !== "revoked");
  const behind = gates.filter(({ online, replicaLag }) => !online || replicaLag !== 0);
  const names = behind.map(({ gateId, online }) => (online ? gateId : tell("gateAway", { gate: gateId })));
  one.heard = gates.length === 0 ? null : behind.length === 0 ? tell("heardAll", { n: gates.length }) : tell("heardSome", { n: gates.length - behind.length, of: gates.length, names: names.join(", ") });
  byId("heard") && (byId("heard").textContent = one.heard ?? "");
  if (behind.length && tries > 0) hearing = setTimeout(() => watchGates(tries - 1), HEARD_EVERY_MS);
}

// ---- drawing ----------------------------------------------------------------------------------

export function drawOne() {
  const place = byId("one");
  place.hidden = one.person === null;
  if (!one.person) {
    place.replaceChildren();
    return;
  }
  const { person } = one;
  place.replaceChildren(
    make("h2", { id: "one-name" }, person.name ?? person.id, " ", make("span", { className: `status-${person.status}` }, tell(`person.${person.status}`))),
    make("p", { className: "problem", role: "alert" }, one.problem ?? ""),
    make("p", { id: "said", role: "status" }, one.said ?? ""),
    make("p", { id: "heard", role: "status" }, one.heard ?? ""),
    make("div", { className: "top" }, facts(person), ticket()),
    actions(person),
    make("h3", {}, tell("credentials")),
    credentials(person),
    beaconForm(person, () => load(person.id).then(watchGates)),
    make("h3", {}, tell("history")),
    make("div", { id: "history" }, make("ol", {}, ...one.history.map(happened))),
  );
}

function facts(person) {
  const shown = (name) => (Array.isArray(person[name]) ? person[name].join(", ") : name === "language" && person[name] ? tell(`language.${person[name]}`) : person[name]);
  return make(
    "dl",
    {},
    ...KNOWN.filter((name) => shown(name)).flatMap((name) => [make("dt", {}, tell(`field.${name}`)), make("dd", {}, shown(name))]),
    make("dt", {}, tell("registeredAt")),
    make("dd", {}, moment(person.createdAt)),
  );
}

function ticket() {
  const place = make("div", { id: "ticket" });
  if (!hasTicket()) {
    place.append(make("p", { className: "soft" }, tell(one.person.status === "registered" ? "noTicket" : "ticketOff")));
    return place;
  }
  const held = active("ticket").at(-1);
  if (one.picture) place.append(make("img", { src: one.picture, alt: tell("ticketOf", { name: one.person.name }), width: 176, height: 176 }));
  const address = `/api/v1${path()}`;
  place.append(
    make("span", { className: "code" }, held.code ?? ""),
    make(
      "span",
      {},
      make("a", { href: `${address}/ticket.pdf`, target: "_blank", rel: "noopener" }, tell("print")),
      " · ",
      make("a", { href: `${address}/ticket.png`, download: `ticket-${one.person.id}.png` }, "PNG"),
      " · ",
      make("a", { href: `${address}/ticket.svg`, download: `ticket-${one.person.id}.svg` }, "SVG"),
    ),
    make("button", { type: "button", onclick: save }, tell("savePdf")),
  );
  return place;
}

function actions(person) {
  const button = (key, onclick, className = "") => make("button", { type: "button", onclick, className }, tell(key));
  const row = make("div", { className: "row" }, button("edit", () => one.on.edit(person), "main"));
  if (person.status !== "registered") row.append(button("reinstate", () => setStatus("registered", "reinstate", "reinstateEffect", false)));
  if (person.status !== "blocked") row.append(button("block", () => setStatus("blocked", "block", "blockEffect", true), "grave"));
  if (person.status !== "cancelled") row.append(button("cancel", cancel, "grave"));
  row.append(button(active("ticket").length ? "reissue" : "issue", reissue));
  if (hasTicket()) row.append(button("mailTicket", mail));
  return row;
}

function credentials(person) {
  if (person.credentials.length === 0) return make("p", { className: "soft" }, tell("noTicket"));
  const rows = person.credentials.map((held) => {
    const row = make(
      "tr",
      {},
      make("td", {}, tell(`kind.${held.kind}`)),
      make("td", {}, held.code ?? "", held.signed ? ` (${tell("signed")})` : ""),
      make("td", {}, moment(held.issuedAt)),
      make("td", {}, make("span", { className: `status-${held.status}` }, tell(`held.${held.status}`))),
      make("td", {}),
    );
    if (held.status === "active") {
      const words = tell("revokeOne", { what: tell(`kind.${held.kind}`), code: held.code ?? "" });
      row.lastChild.append(make("button", { type: "button", onclick: () => revoke(held), "aria-label": words }, tell("revoke")));
    }
    return row;
  });
  const heads = ["kind", "field.code", "issuedAt", "status", "action"].map((key) => make("th", { scope: "col" }, tell(key)));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  return make("div", { className: "scroll", tabIndex: 0, role: "group", "aria-label": tell("credentials") }, table);
}

function happened(item) {
  return make("li", {}, make("time", { dateTime: item.at }, moment(item.at)), make("span", {}, whatHappened(item)));
}

function whatHappened(item) {
  if (item.type === "scan") {
    const { scan } = item;
    const what = tell(scan.admitted ? `passed.${scan.direction}` : "passed.refused", { gate: scan.gateName ?? scan.gateId });
    return `${what} ${tell(`verdict.${scan.verdict}`)} ${scan.explanation?.[currentLanguage()] ?? ""}`;
  }
  if (item.type === "issued") return tell(`issued.${item.kind}`);
  if (item.type === "mail") return `${tell("mail")}: ${tell(`mail.${item.state}`)} ${item.reason ?? ""}`;
  if (item.subject === "credential") {
    const held = one.person.credentials.find(({ id }) => id === item.subjectId);
    return `${tell(`kind.${held?.kind ?? "ticket"}`)} ${held?.code ?? ""}: ${tell(`held.${item.value.status}`)}`;
  }
  return tell("changedTo", { status: tell(`person.${item.value.status}`), permissions: (item.value.permissions ?? []).join(", ") });
}

function moment(at) {
  const options = { dateStyle: "medium", timeStyle: "short", timeZone: theEvent()?.timeZone };
  return new Intl.DateTimeFormat(currentLanguage(), options).format(new Date(at));
}
