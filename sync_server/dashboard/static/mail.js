// The mail page: how the queue stands, what became of each mail, who is sent a ticket.
import { call, make, startPage, theEvent } from "./shell.js";
import { currentLanguage, learn, tell } from "./words.js";
import words from "./words.mail.js";
import { drawTexts, forgetTexts, loadTexts, startTexts } from "./mail_texts.js";

learn(words);
const byId = (id) => document.getElementById(id);
const STATES = ["queued", "sending", "sent", "failed", "uncertain", "bounced", "cancelled"];
const RETRIED = ["failed", "uncertain", "bounced"]; // all of these may be sent again at once
const MAY_RETRY = [...RETRIED, "cancelled"];
const LOOK_EVERY_MS = 3000;
const PAGE = 50;

// What the page knows. `chosen` is what a dry run counted.
const page = { on: false, overview: null, state: "", items: [], cursor: null, pages: 1, chosen: null, said: null };

startPage({
  async signedIn() {
    page.on = true;
    await Promise.all([look(), loadTexts(), count()]);
  },
  signedOut() {
    Object.assign(page, { on: false, overview: null, items: [], cursor: null, chosen: null, said: null });
    forgetTexts();
  },
  draw,
});
startTexts();
setInterval(() => page.on && !document.hidden && look(), LOOK_EVERY_MS);
byId("send").addEventListener("submit", send);
byId("group").addEventListener("change", count);
byId("again").addEventListener("change", count);
byId("stop").addEventListener("click", stop);
byId("retry-all").addEventListener("click", retryAll);
byId("more").addEventListener("click", more);
byId("state").addEventListener("change", () => show(byId("state").value));

async function look() {
  const [overview, list] = await Promise.all([call("GET", "/mail"), fetchList()]);
  if (!page.on) return; // signed out in between
  if (overview.ok) page.overview = overview.data;
  byId("list-problem").textContent = list.ok ? "" : list.message;
  if (list.ok) Object.assign(page, { items: list.data.items, cursor: list.data.cursor });
  draw();
}

const fetchList = () => call("GET", `/mail/messages?limit=${PAGE * page.pages}${page.state ? `&state=${page.state}` : ""}`);

async function show(state) {
  Object.assign(page, { state, pages: 1 });
  await look();
}

async function more() {
  page.pages += 1;
  await look();
}

// ---- drawing ----------------------------------------------------------------------------------

function draw() {
  drawState();
  drawSend();
  drawList();
  drawTexts(page.overview?.language);
}

function drawState() {
  const { overview } = page;
  if (!overview) return;
  const { configured, server, sender, perMinute, problem, counts, secondsToGo } = overview;
  byId("server").textContent = configured ? tell("serverIs", { server, sender, n: perMinute }) : "";
  byId("problem").textContent = !configured
    ? tell("notConfigured")
    : problem
      ? tell("unreachableSince", { at: timeOf(problem.since), message: problem.message })
      : "";
  byId("to-go").textContent = counts.queued ? tell("toGo", { n: counts.queued, time: duration(secondsToGo) }) : "";
  fill(byId("counts"), STATES, (state) => {
    const bad = RETRIED.includes(state) && counts[state] > 0;
    return make(
      "button",
      {
        type: "button",
        className: bad ? "bad" : "",
        "aria-pressed": String(page.state === state),
        onclick: () => show(page.state === state ? "" : state),
      },
      make("b", {}, counts[state].toLocaleString(currentLanguage())),
      make("span", {}, tell(`mail.${state}`)),
    );
  });
  options(byId("state"), ["", ...STATES], (state) => (state ? tell(`mail.${state}`) : tell("all")), page.state);
}

// Buttons keep the keyboard's focus over a redraw.
function fill(place, keys, made) {
  const at = [...place.children].indexOf(document.activeElement);
  place.replaceChildren(...keys.map(made));
  if (at >= 0) place.children[at]?.focus();
}

function options(select, values, label, chosen) {
  if (document.activeElement === select && select.options.length === values.length) return; // being used
  select.replaceChildren(...values.map((value) => make("option", { value, selected: value === chosen }, label(value))));
}

function drawSend() {
  const groups = page.overview?.groups ?? [];
  options(byId("group"), ["", ...groups], (group) => group || tell("everybody"), byId("group").value);
  const { chosen } = page;
  byId("send-button").textContent = chosen ? tell("sendTo", { n: chosen.queued }) : tell("send");
  byId("send-button").disabled = !chosen || chosen.queued === 0 || !page.overview?.configured;
  byId("stop").disabled = !page.overview?.counts.queued;
  byId("would").textContent = page.said ? tell(page.said.key, page.said) : chosen ? wouldWords(chosen) : "";
}

function wouldWords(chosen) {
  const parts = [tell("would", { n: chosen.queued, of: chosen.chosen, time: duration(chosen.secondsToGo) })];
  for (const name of ["failedBefore", "waiting", "hadIt", "withoutTicket"]) {
    if (chosen[name]) parts.push(tell(`would.${name}`, { n: chosen[name] }));
  }
  return parts.join(" ");
}

function drawList() {
  const heads = ["to", "kind", "mailState", "reason", "attempts", "when"];
  byId("list-heads").replaceChildren(...heads.map((key) => make("th", { scope: "col" }, tell(key))), make("td"));
  byId("list").hidden = page.items.length === 0;
  byId("list-none").hidden = page.items.length > 0;
  byId("more").hidden = page.cursor === null;
  const retried = RETRIED.includes(page.state) && (page.overview?.counts[page.state] ?? 0);
  byId("retry-all").hidden = !retried;
  byId("retry-all").textContent = retried ? tell("retryAll", { n: retried }) : "";
  if (byId("list-body").contains(document.activeElement)) return; // a button there is about to be used
  byId("list-body").replaceChildren(...page.items.map(lineOf));
}

function lineOf(item) {
  const whom = item.to ?? item.participantId ?? "–";
  const button = make(
    "button",
    { type: "button", "aria-label": tell("retryTo", { to: whom }), onclick: (event) => retry(item, event.target) },
    tell("retry"),
  );
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, item.name ?? "", ...(item.name ? [make("br")] : []), make("small", {}, whom)),
    make("td", {}, tell(`kind.${item.kind}`)),
    make("td", { className: item.state }, tell(`mail.${item.state}`)),
    make("td", {}, item.reason ?? ""),
    make("td", {}, String(item.attempts)),
    make("td", {}, timeOf(item.at), ...(item.attempts && item.nextAttemptAt ? [make("br"), tell("nextAt", { at: timeOf(item.nextAttemptAt) })] : [])),
    make("td", {}, ...(MAY_RETRY.includes(item.state) ? [button] : [])),
  );
}

const timeOf = (text) =>
  new Date(text).toLocaleString(currentLanguage(), { dateStyle: "short", timeStyle: "medium", timeZone: theEvent()?.timeZone });

function duration(seconds) {
  if (seconds < 90) return tell("seconds", { n: seconds });
  if (seconds < 5400) return tell("minutes", { n: Math.round(seconds / 60) });
  return tell("hours", { n: (seconds / 3600).toFixed(1) });
}

// ---- doing ------------------------------------------------------------------------------------

const wanted = () => ({ ...(byId("group").value ? { group: byId("group").value } : {}), again: byId("again").checked });

async function count() {
  page.chosen = null;
  page.said = null;
  drawSend();
  const asked = JSON.stringify(wanted());
  const answer = await call("POST", "/mail/send", { ...wanted(), dryRun: true });
  if (asked !== JSON.stringify(wanted())) return; // another choice was made meanwhile
  byId("send-problem").textContent = answer.ok ? "" : answer.message;
  page.chosen = answer.ok ? answer.data : null;
  drawSend();
}

async function send(event) {
  event.preventDefault();
  byId("send-button").disabled = true;
  const again = byId("again").checked ? { requestId: crypto.randomUUID() } : {};
  const answer = await call("POST", "/mail/send", { ...wanted(), ...again });
  byId("again").checked = false;
  await count();
  byId("send-problem").textContent = answer.ok ? "" : answer.message;
  page.said = answer.ok ? { key: "queued", n: answer.data.queued } : null;
  await look();
}

async function stop() {
  const answer = await call("POST", "/mail/cancel");
  await count();
  byId("send-problem").textContent = answer.ok ? "" : answer.message;
  page.said = answer.ok ? { key: "stopped", n: answer.data.cancelled } : null;
  await look();
}

async function retry(item, button) {
  button.disabled = true;
  const answer = await call("POST", `/mail/messages/${item.id}/retry`);
  button.blur();
  await look();
  byId("list-problem").textContent = answer.ok ? "" : answer.message;
}

async function retryAll() {
  const answer = await call("POST", "/mail/retry", { state: page.state });
  await look();
  byId("list-problem").textContent = answer.ok ? "" : answer.message;
}
