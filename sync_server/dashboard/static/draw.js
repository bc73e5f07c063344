// Puts the overall figures and the latest scans onto the page. Rows are kept by key and only what
// changed is touched, so that a reader's place, a selection and the scroll stay where they are.
import { about, asOf, explained } from "./explain.js";
import { make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const byId = (id) => document.getElementById(id);
export const number = (n) => (typeof n === "number" ? n.toLocaleString(currentLanguage()) : "–");
const VERDICT_MARKS = { confirmed: "✓", duplicate: "＝", conflict: "⚠", refused: "✕", voided: "∅" };

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Fills a table: `columns` are word keys, `rows` [{key, kind?, cells: [text | {text, kind}]}]. A
// column's heading explains it where there are words for it.
export function fill(id, columns, rows) {
  const head = byId(`${id}-head`);
  while (head.children.length < columns.length) head.append(newHeading(columns[head.children.length], id));
  columns.forEach((key, i) => setText(head.children[i].firstChild, tell(key)));
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

function newHeading(key, id) {
  const more = () => ({ title: tell(key), lines: [about(`${id}.${key}`)] });
  const cell = make("th", { scope: "col", role: "columnheader" });
  cell.append(explained(more));
  return cell;
}

function newRow(key, width) {
  const row = make("tr", { role: "row" });
  row.dataset.key = key;
  for (let i = 0; i < width; i += 1) {
    const cell = document.createElement(i ? "td" : "th");
    if (!i) cell.scope = "row";
    cell.setAttribute("role", i ? "cell" : "rowheader");
    row.append(cell);
  }
  return row;
}

export function clockTime(when, timeZone, seconds = true) {
  if (!when) return "–";
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (seconds) options.second = "2-digit";
  return new Date(when).toLocaleTimeString("en-GB", timeZone ? { ...options, timeZone } : options);
}

// With the day before it where that is not today.
export function dayTime(when, timeZone) {
  const day = (moment) => new Date(moment).toLocaleDateString("en-CA", timeZone ? { timeZone } : {});
  const time = clockTime(when, timeZone, false);
  return day(when) === day(Date.now()) ? time : `${day(when).slice(5)} ${time}`;
}

// ---- overall: a tile a figure, each a button that explains it ---------------------------------

const range = ({ low, high }) => tell("between", { low: number(low), high: number(high) });
const ARROWS = { increasing: "↗", decreasing: "↘", stable: "→" };

// name → (facts) → {value, of?, kind?, words?}; null while it is not known
const TILES = {
  attended({ overall }) {
    if (!overall) return null;
    const { attendedParticipants, totalParticipants, attendedCancelled } = overall;
    const left = attendedCancelled ? about("attendedCancelled", { n: number(attendedCancelled) }) : "";
    return { value: number(attendedParticipants), of: `/ ${number(totalParticipants)}`, more: left };
  },
  rate: ({ overall }) => overall && { value: `${number(overall.attendanceRate)} %`, bar: overall.attendanceRate },
  inside: ({ overall }) => overall && { value: number(overall.inside) },
  trend: ({ overall }) =>
    overall && {
      value: `${ARROWS[overall.trend] ?? ""} ${number(overall.entriesLast5Minutes)}`,
      of: tell(overall.trend),
    },
  pace({ forecast }) {
    if (!forecast?.rate) return null;
    const { perHour, expectedPerHour, minutes } = forecast.rate;
    const kind = perHour > expectedPerHour.high ? "above" : perHour < expectedPerHour.low ? "below" : "within";
    const mark = { above: "▲", below: "▼", within: "≈" }[kind];
    return {
      value: tell("anHour", { n: number(Math.round(perHour)) }),
      of: `${mark} ${tell(`pace.${kind}`)} ${range(rounded(expectedPerHour))}`,
      more: about("paceOver", { minutes }),
    };
  },
  expected({ forecast }) {
    const found = forecast?.expectedFinalAttendance;
    return found && { value: number(found.value), of: range(found) };
  },
  peak({ forecast, event }) {
    const found = forecast?.peakHourPrediction;
    const hour = (when) => dayTime(when, event?.timeZone);
    const sure = found && found.low === found.high;
    return found && { value: hour(found.value), of: sure ? "" : `${hour(found.low)} – ${hour(found.high)}` };
  },
  complete({ forecast, event }) {
    const found = forecast?.completionTime;
    const at = (when) => dayTime(when, event?.timeZone);
    return found && { value: at(found.value), of: `${at(found.low)} – ${at(found.high)}` };
  },
  conflicts: ({ overall }) =>
    overall && {
      value: `${overall.conflicts ? "⚠ " : ""}${number(overall.conflicts)}`,
      kind: overall.conflicts ? "warn" : "",
    },
};
const rounded = ({ low, high }) => ({ low: Math.round(low), high: Math.round(high) });
let latest = null;

function newTile(name) {
  const more = () => {
    const found = TILES[name](latest);
    const said = found ? `${found.value} ${found.of ?? ""}`.trim() : "–";
    return { title: `${tell(name)}: ${said}`, lines: [about(name), found?.more, asOf(latest)] };
  };
  const value = make("strong", { id: name }, "–");
  const of = make("span", { id: `${name}-of`, className: "of" });
  const tile = explained(more, { className: "number tile" }, make("span", { className: "label" }), value, of);
  tile.dataset.name = name;
  if (name === "rate") tile.append(make("progress", { id: "progress", max: 100, value: 0 }));
  return tile;
}

function drawOverall(facts) {
  latest = facts;
  const place = byId("overall");
  if (!place.children.length) place.append(...Object.keys(TILES).map(newTile));
  for (const tile of place.children) {
    const { name } = tile.dataset;
    const found = TILES[name](facts);
    setText(tile.querySelector(".label"), tell(name));
    setText(byId(name), found?.value ?? "–");
    setText(byId(`${name}-of`), found?.of ?? "");
    tile.dataset.kind = found?.kind ?? "";
    tile.dataset.long = (found?.value.length ?? 0) > 8;
    if (name === "rate") {
      byId("progress").value = Math.min(100, found?.bar ?? 0);
      byId("progress").setAttribute("aria-hidden", "true"); // the number says it
    }
  }
  setText(byId("event"), facts.event?.name ?? "Gatesync");
  setText(byId("event-status"), facts.event?.status ? tell(`status.${facts.event.status}`) : "");
}

// ---- latest scans -----------------------------------------------------------------------------

function whyOf({ override, kind, reason }) {
  if (!override) return kind ? tell(`kind.${kind}`) : tell(`reason.${reason}`);
  const words = tell("overridden", { name: override.operatorName ?? override.operatorId, text: override.text });
  const against = tell(`reason.${reason}`);
  const worse = kind && kind !== "override" ? ` · ${tell(`kind.${kind}`)}` : "";
  return `${words}${against ? ` (${against})` : ""}${worse}`;
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
      tell(`method.${scan.method}`),
      { text: `${VERDICT_MARKS[scan.verdict] ?? "?"} ${tell(`verdict.${scan.verdict}`)}`, kind: scan.verdict },
      whyOf(scan),
    ],
  }));
  fill("scans", ["time", "gate", "who", "method", "verdict", "why"], rows);
  byId("no-scans").hidden = scans.length > 0;
  setText(byId("zone"), event?.timeZone ?? "");
}

export function drawLive(facts) {
  drawOverall(facts);
  drawScans(facts);
}
