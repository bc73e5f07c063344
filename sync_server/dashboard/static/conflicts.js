// Conflicts with both sides, and a supervisor's word on them. What was typed stays while figures move.
import { clockTime, setText } from "./draw.js";
import { about, explained } from "./explain.js";
import { atLeast, call, make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
let drawn = null;

// One side: which gate, when within which error, how, by which device.
function sideText(scan, zone) {
  const error = scan.timeErrorMs ? ` ±${(scan.timeErrorMs / 1000).toLocaleString(currentLanguage())} s` : "";
  const way = tell(scan.direction === "exit" ? "out" : "in");
  return [
    `${scan.gateName ?? scan.gateId} · ${way}`,
    `${clockTime(scan.occurredAt, zone)}${error}`,
    `${tell(`method.${scan.method}`)} · ${scan.deviceId}`,
  ].join("\n");
}

function newSide(name) {
  const more = () => ({ title: tell(`${name}Scan`), lines: [about("side")] });
  return make("div", { className: `side ${name}` }, make("h4", {}, explained(more)), make("p", { className: "where" }));
}

function newItem(scanId) {
  const item = make(
    "li",
    { className: "card" },
    make("h3"),
    make("div", { className: "sides" }, newSide("this"), newSide("other")),
    make("p", { className: "why" }),
    make("p", { className: "said" }),
  );
  item.dataset.key = scanId;
  return item;
}

function newForm(scanId) {
  const reason = make("input", { id: `reason-${scanId}`, required: true, maxLength: 500, autocomplete: "off" });
  const said = make("p", { className: "problem", role: "alert" });
  const form = make(
    "form",
    { className: "row" },
    make("label", { className: "field", htmlFor: reason.id }, make("span"), reason),
    make("button", { value: "accept" }),
    make("button", { value: "void", className: "grave" }),
    said,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    for (const button of buttons) button.disabled = true;
    const word = { action: event.submitter?.value ?? "accept", reason: reason.value.trim() };
    const answer = await call("POST", `/scans/${encodeURIComponent(scanId)}/resolution`, word);
    for (const button of buttons) button.disabled = false;
    // The server tells every page that it is decided; until then it says so here.
    said.className = answer.ok ? "soft" : "problem";
    said.textContent = answer.ok ? tell(`said.${word.action}`) : answer.message;
  });
  return form;
}

function drawItem(item, scan, zone, open) {
  const who = scan.maskedName ?? tell("unknownPerson");
  setText(item.querySelector("h3"), `⚠ ${who}: ${tell(`kind.${scan.kind ?? scan.resolution?.kind ?? "double_entry"}`)}`);
  setText(item.querySelector(".this h4 button"), tell("thisScan"));
  setText(item.querySelector(".this .where"), sideText(scan, zone));
  const other = item.querySelector(".other");
  setText(other.querySelector("h4 button"), tell("otherScan"));
  setText(other.querySelector(".where"), scan.against ? sideText(scan.against, zone) : tell("noOtherScan"));
  setText(item.querySelector(".why"), scan.explanation[currentLanguage()]);
  setText(item.querySelector(".said"), open ? "" : decisionText(scan, zone));
  drawForm(item, open && atLeast("supervisor"), who);
}

function drawForm(item, may, who) {
  let form = item.querySelector("form");
  if (!may) return form?.remove();
  if (!form) {
    form = newForm(item.dataset.key);
    item.append(form);
  }
  setText(form.querySelector("label span"), tell("reason"));
  for (const button of form.querySelectorAll("button")) {
    setText(button, tell(`decide.${button.value}`));
    button.setAttribute("aria-label", `${tell(`decide.${button.value}`)}: ${who}`);
  }
}

function decisionText({ resolution, verdict }, zone) {
  if (!resolution) return "";
  const { action, operatorId, operatorName, at, reason, stale } = resolution;
  const values = { name: operatorName ?? operatorId, time: clockTime(at, zone), text: reason, verdict: tell(`verdict.${verdict}`) };
  return `${tell(`decidedBy.${action}`, values)}${stale ? ` ${tell("stale")}` : ""}`;
}

function drawList(id, scans, zone, open) {
  const list = byId(id);
  const held = new Map([...list.children].map((item) => [item.dataset.key, item]));
  scans.forEach((scan, place) => {
    const item = held.get(scan.scanId) ?? newItem(scan.scanId);
    held.delete(scan.scanId);
    drawItem(item, scan, zone, open);
    if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
  });
  for (const item of held.values()) item.remove();
}

export function drawConflicts({ conflicts, event }) {
  const mark = [conflicts, event?.timeZone, currentLanguage(), atLeast("supervisor")];
  if (drawn?.every((one, i) => one === mark[i])) return;
  drawn = mark;
  const { open = [], decided = [], more = false } = conflicts ?? {};
  const resolved = decided.filter(({ scanId }) => !open.some((one) => one.scanId === scanId));
  drawList("open-conflicts", open, event?.timeZone, true);
  drawList("decided-conflicts", resolved, event?.timeZone, false);
  byId("no-conflicts").hidden = open.length > 0;
  byId("more-conflicts").hidden = !more;
  byId("decided").hidden = resolved.length === 0;
}

export function forgetConflicts() {
  drawn = null;
  byId("open-conflicts").replaceChildren();
  byId("decided-conflicts").replaceChildren();
}
