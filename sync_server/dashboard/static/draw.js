// Puts what is known onto the page. Rows are kept by key and only what changed is touched, so that
// a reader's place, a selection and the scroll stay where they are.
import { currentLanguage, tell, tellAge } from "./words.js";

const LOAD_HIGH = 80; // percent; as the alert `gate_overload`
const byId = (id) => document.getElementById(id);
const number = (n) => (typeof n === "number" ? n.toLocaleString(currentLanguage()) : "–");
const VERDICT_MARKS = { confirmed: "✓", duplicate: "＝", conflict: "⚠", refused: "✕", voided: "∅" };

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Fills a table: `columns` are word keys, `rows` [{key, kind?, cells: [text | {text, kind}]}].
function fill(id, columns, rows) {
  const head = byId(`${id}-head`);
  while (head.children.length < columns.length) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.setAttribute("role", "columnheader");
    head.append(cell);
  }
  columns.forEach((key, i) => setText(head.children[i], tell(key)));
  const body = byId(id);
  const held = new Map([...body.children].map((row) => [row.dataset.key, row]));
  rows.forEach(({ key, kind = "", cells }, place) => {
    const row = held.get(key) ?? newRow(key, columns.length);
    held.delete(key);
    row.dataset.kind = kind;
    cells.forEach((cell, i) => {
      const element = row.children[i];
      const { text, kind: cellKind = "" } = typeof cell === "object" ? cell : { text: cell };
      element.dataset.label = tell(columns[i]);
      element.dataset.kind = cellKind;
      setText(element, text);
    });
    if (body.children[place] !== row) body.insertBefore(row, body.children[place] ?? null);
  });
  for (const row of held.values()) row.remove();
}

function newRow(key, width) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  row.setAttribute("role", "row");
  for (let i = 0; i < width; i += 1) {
    const cell = document.createElement(i ? "td" : "th");
    if (!i) cell.scope = "row";
    cell.setAttribute("role", i ? "cell" : "rowheader");
    row.append(cell);
  }
  return row;
}

function clockTime(when, timeZone) {
  if (!when) return "–";
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return new Date(when).toLocaleTimeString("en-GB", timeZone ? { ...options, timeZone } : options);
}

function drawOverall({ overall, event }) {
  setText(byId("event"), event?.name ?? "Gatesync");
  setText(byId("event-status"), event?.status ? tell(`status.${event.status}`) : "");
  if (!overall) return;
  setText(byId("attended"), number(overall.attendedParticipants));
  setText(byId("total"), number(overall.totalParticipants));
  setText(byId("rate"), `${number(overall.attendanceRate)} %`);
  byId("progress").value = overall.attendanceRate;
  byId("progress").setAttribute("aria-label", tell("rate"));
  setText(byId("inside"), number(overall.inside));
  const arrow = { increasing: "↗", decreasing: "↘", stable: "→" }[overall.trend] ?? "";
  setText(byId("trend"), `${arrow} ${tell(overall.trend)}`);
  setText(byId("conflicts"), `${overall.conflicts ? "⚠ " : ""}${number(overall.conflicts)}`);
  byId("conflicts-tile").classList.toggle("warn", overall.conflicts > 0);
}

function methods(breakdown) {
  const parts = Object.entries(breakdown ?? {}).map(([name, n]) => `${tell(`method.${name}`)} ${number(n)}`);
  return parts.join(" · ") || "–";
}

function drawGates({ gates, event }) {
  const rows = gates.map((gate) => ({
    key: gate.gateId,
    cells: [
      `${gate.name ?? gate.gateId}${gate.active === false ? ` (${tell("closed")})` : ""}`,
      number(gate.totalProcessed),
      methods(gate.methodBreakdown),
      { text: number(gate.refused), kind: "" },
      `${number(gate.avgProcessingTime)} ms`,
      {
        text: `${gate.currentLoad > LOAD_HIGH ? "⚠ " : ""}${number(gate.currentLoad)} %`,
        kind: gate.currentLoad > LOAD_HIGH ? "warn" : "",
      },
      `${number(gate.estimatedWaitTime)} s`,
      clockTime(gate.lastAttendance, event?.timeZone),
    ],
  }));
  fill("gates", ["gate", "processed", "methods", "refused", "average", "load", "wait", "last"], rows);
}

function stateOf({ deviceId, online }) {
  if (!deviceId) return { text: `– ${tell("noDevice")}`, kind: "none" };
  return online ? { text: `● ${tell("online")}`, kind: "good" } : { text: `✕ ${tell("offline")}`, kind: "bad" };
}

function clockOf({ clock }) {
  if (!clock) return "–";
  if (clock.quality === "wall") return { text: `⚠ ${tell("clockUnsure")}`, kind: "warn" };
  return { text: `✓ ±${number(Math.round(clock.errorMs ?? 0))} ms`, kind: "good" };
}

function troublesOf({ troubles }) {
  if (!Array.isArray(troubles) || !troubles.length) return "–";
  const said = troubles.map((one) => one[currentLanguage()] ?? one.en ?? one.code).join(" · ");
  return { text: `⚠ ${said}`, kind: "warn" };
}

function lagOf({ deviceId, replicaLag }) {
  if (!deviceId || typeof replicaLag !== "number") return "–";
  return replicaLag ? { text: tell("behind", { n: number(replicaLag) }), kind: "warn" } : `✓ ${tell("current")}`;
}

function seenOf({ deviceId, lastSeenAt }) {
  if (!deviceId) return "–";
  return lastSeenAt ? tell("ago", { age: tellAge(Date.now() - new Date(lastSeenAt)) }) : tell("never");
}

// Ages go on counting while nothing arrives.
export function drawAges({ sync }) {
  const several = new Map();
  for (const { gateId } of sync.values()) several.set(gateId, (several.get(gateId) ?? 0) + 1);
  const rows = [...sync].map(([key, status]) => ({
    key,
    cells: [
      `${status.gateName ?? status.gateId}${several.get(status.gateId) > 1 ? ` · ${status.deviceName}` : ""}`,
      stateOf(status),
      { text: number(status.waiting), kind: status.waiting ? "warn" : "" },
      lagOf(status),
      seenOf(status),
      clockOf(status),
      troublesOf(status),
    ],
  }));
  fill("sync", ["gate", "state", "waiting", "lag", "seen", "clock", "trouble"], rows);
}

function drawScans({ scans, gates, event }) {
  const names = new Map(gates.map(({ gateId, name }) => [gateId, name]));
  const rows = scans.map((scan) => ({
    key: scan.scanId,
    kind: scan.verdict,
    cells: [
      clockTime(scan.occurredAt, event?.timeZone),
      `${names.get(scan.gateId) ?? scan.gateId} ${scan.direction === "exit" ? "←" : "→"} ${tell(scan.direction === "exit" ? "out" : "in")}`,
      scan.maskedName ?? tell("unknownPerson"),
      { text: `${VERDICT_MARKS[scan.verdict] ?? "?"} ${tell(`verdict.${scan.verdict}`)}`, kind: scan.verdict },
      scan.kind ? tell(`kind.${scan.kind}`) : tell(`reason.${scan.reason}`),
    ],
  }));
  fill("scans", ["time", "gate", "who", "verdict", "why"], rows);
  byId("no-scans").hidden = scans.length > 0;
  setText(byId("zone"), event?.timeZone ?? "");
}

export function drawLive(facts) {
  drawOverall(facts);
  drawGates(facts);
  drawAges(facts);
  drawScans(facts);
}
