// The messages page: what each handler of the outbox took last, waits for, or gave up on.
import { call, make, startPage, theEvent } from "./shell.js";
import { currentLanguage, learn, tell } from "./words.js";
import words from "./words.messages.js";

learn(words);
const byId = (id) => document.getElementById(id);
const STATES = ["parked", "waiting", "done"];
const LOOK_EVERY_MS = 5000;
const PAGE = 50;
const page = { on: false, handlers: [], items: [], cursor: null, state: "parked", handler: "", pages: 1 };

startPage({
  async signedIn() {
    page.on = true;
    await look();
  },
  signedOut: () => Object.assign(page, { on: false, handlers: [], items: [], cursor: null }),
  draw,
});
setInterval(() => page.on && !document.hidden && look(), LOOK_EVERY_MS);
byId("state").addEventListener("change", choose);
byId("handler").addEventListener("change", choose);
byId("retry-all").addEventListener("click", retryAll);
byId("more").addEventListener("click", async () => {
  page.pages += 1;
  await look();
});

async function choose() {
  Object.assign(page, { state: byId("state").value, handler: byId("handler").value, pages: 1 });
  await look();
}

async function look() {
  const asked = new URLSearchParams({ limit: Math.min(PAGE * page.pages, 1000), state: page.state });
  if (page.handler) asked.set("handler", page.handler);
  const [handlers, list] = await Promise.all([call("GET", "/stream/handlers"), call("GET", `/stream/deliveries?${asked}`)]);
  if (!page.on) return; // signed out in between
  byId("problem").textContent = list.ok ? "" : list.message;
  if (handlers.ok) page.handlers = handlers.data.items;
  if (list.ok) Object.assign(page, { items: list.data.items, cursor: list.data.cursor });
  draw();
}

function draw() {
  const heads = (keys) => keys.map((key) => make("th", { scope: "col" }, tell(key)));
  byId("handlers-heads").replaceChildren(...heads(["handler", "behind", "waiting", "parked", "done"]));
  byId("handlers-body").replaceChildren(...page.handlers.map(handlerLine));
  byId("handlers").hidden = page.handlers.length === 0;
  byId("handlers-none").hidden = page.handlers.length > 0;
  options(byId("state"), STATES, (state) => tell(`state.${state}`), page.state);
  options(byId("handler"), ["", ...page.handlers.map(({ name }) => name)], (name) => (name ? tell(`handler.${name}`) : tell("all")), page.handler);
  byId("list-heads").replaceChildren(...heads(["when", "handler", "message", "error", "attempts"]), make("td"));
  byId("list").hidden = page.items.length === 0;
  byId("none").hidden = page.items.length > 0;
  byId("more").hidden = page.cursor === null;
  byId("retry-all").hidden = page.state !== "parked" || page.items.length === 0;
  const body = byId("list-body");
  if (body.contains(document.activeElement) || body.querySelector("details[open]")) return; // being read
  body.replaceChildren(...page.items.map(lineOf));
}

function options(select, values, label, chosen) {
  if (document.activeElement === select && select.options.length === values.length) return; // being used
  select.replaceChildren(...values.map((value) => make("option", { value, selected: value === chosen }, label(value))));
}

const handlerLine = ({ name, behind, waiting, parked, done }) =>
  make(
    "tr",
    {},
    make("th", { scope: "row" }, tell(`handler.${name}`)),
    make("td", {}, String(behind)),
    make("td", {}, String(waiting)),
    make("td", { className: parked ? "parked" : "" }, String(parked)),
    make("td", {}, String(done)),
  );

function lineOf(item) {
  const { envelope } = item;
  const what = envelope.data.message?.[currentLanguage()];
  const button = make(
    "button",
    { type: "button", "aria-label": tell("retryOf", { id: envelope.id }), onclick: (event) => retry(item, event.target) },
    tell("retry"),
  );
  return make(
    "tr",
    {},
    make("td", {}, timeOf(item.at), ...(item.nextAttemptAt ? [make("br"), tell("nextAt", { at: timeOf(item.nextAttemptAt) })] : [])),
    make("td", {}, tell(`handler.${item.handler}`)),
    make(
      "td",
      {},
      envelope.type,
      ...(what ? [make("br"), what] : []),
      make("details", {}, make("summary", {}, tell("whole")), make("pre", {}, JSON.stringify(envelope, null, 2))),
    ),
    make("td", { className: item.state }, item.error ?? ""),
    make("td", {}, String(item.attempts)),
    make("td", {}, ...(item.state === "parked" ? [button] : [])),
  );
}

const timeOf = (text) =>
  new Date(text).toLocaleString(currentLanguage(), { dateStyle: "short", timeStyle: "medium", timeZone: theEvent()?.timeZone });

async function retry(item, button) {
  button.disabled = true;
  const answer = await call("POST", `/stream/deliveries/${item.id}/retry`);
  button.blur();
  await look();
  byId("problem").textContent = answer.ok ? "" : answer.message;
  byId("said").textContent = answer.ok ? tell("retried", { n: 1 }) : "";
}

async function retryAll() {
  const answer = await call("POST", "/stream/deliveries/retry", page.handler ? { handler: page.handler } : {});
  await look();
  byId("problem").textContent = answer.ok ? "" : answer.message;
  byId("said").textContent = answer.ok ? tell("retried", { n: answer.data.waiting }) : "";
}
