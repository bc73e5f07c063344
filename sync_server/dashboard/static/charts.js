// Arrivals over time, against the forecast, and gate by gate (uPlot). Bars, a dashed line and a band
// tell apart without colour; the same numbers stand in a table. Where uPlot could not be fetched at
// set-up, the table alone does.
import { clockTime, dayTime, fill, number, setText } from "./draw.js";
import { about, explained } from "./explain.js";
import { make } from "./shell.js";
import { currentLanguage, tell } from "./words.js";

const GATES_MAX = 12; // of more the busiest are drawn
const dark = matchMedia("(prefers-color-scheme: dark)");
const byId = (id) => document.getElementById(id);
let uPlot = null;
let tried = false;
let latest = null;
let drawn = null;
let picked = null; // the slot under the finger
const charts = new Map(); // "all" or a gate's id → its uPlot

async function load() {
  tried = true;
  try {
    ({ default: uPlot } = await import("/static/uPlot.esm.js"));
  } catch (trouble) {
    console.warn("charts are missing", trouble);
  }
  byId("no-charts").hidden = uPlot !== null;
  byId("curves").dataset.charts = uPlot ? "drawn" : "missing";
  if (!uPlot) byId("curve-table").open = true;
  drawn = null;
  if (latest) drawCurves(latest);
}

// ---- the numbers ------------------------------------------------------------------------------

// Everything in slots of the event's admitting time; people not yet known are null.
function curveOf({ arrivals, forecast }) {
  if (!arrivals) return null;
  const { slotsTotal, slotMinutes, slots } = arrivals;
  const startS = Date.parse(arrivals.start) / 1000;
  const step = slotMinutes * 60;
  const now = (Date.now() / 1000 - startS) / step; // not the server's, which was then
  const times = Array.from({ length: slotsTotal }, (_, i) => startS + (i + 0.5) * step);
  const people = times.map((_, i) => slots.get(i)?.[1] ?? (i <= now ? 0 : null));
  const expected = forecast?.expected?.value.length === slotsTotal ? forecast.expected : null;
  return { startS, step, now, times, people, expected, slots, slotMinutes };
}

function gateTotals({ arrivals, gates }) {
  const sums = new Map(gates.map(({ gateId }) => [gateId, 0]));
  for (const [, , byGate] of arrivals.slots.values()) {
    for (const [gateId, count] of Object.entries(byGate)) sums.set(gateId, (sums.get(gateId) ?? 0) + count);
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

const range = (slot, curve, zone) =>
  `${dayTime((curve.startS + slot * curve.step) * 1000, zone)}–${clockTime((curve.startS + (slot + 1) * curve.step) * 1000, zone, false)}`;

function slotWords(slot, curve, zone) {
  const expected = curve.expected
    ? tell("slotExpected", {
        value: number(Math.round(curve.expected.value[slot])),
        low: number(Math.round(curve.expected.low[slot])),
        high: number(Math.round(curve.expected.high[slot])),
      })
    : "";
  return `${tell("slotPeople", { when: range(slot, curve, zone), n: number(curve.people[slot] ?? 0) })} ${expected}`.trim();
}

function summary(curve, zone, forecast) {
  const came = curve.people.reduce((sum, n) => sum + (n ?? 0), 0);
  const busiest = curve.people.reduce((best, n, i) => ((n ?? 0) > (curve.people[best] ?? 0) ? i : best), 0);
  const words = [tell("curveCame", { n: number(came) })];
  if (came) {
    const n = number(curve.people[busiest]);
    words.push(tell("curveBusiest", { when: range(busiest, curve, zone), n }));
  }
  const final = forecast?.expectedFinalAttendance;
  if (final) {
    const [value, low, high] = [final.value, final.low, final.high].map(number);
    words.push(tell("curveExpected", { value, low, high }));
  }
  return words.join(" ");
}

// ---- drawing ----------------------------------------------------------------------------------

// A colour of page.css as the canvas wants it: the probe's computed colour knows light and dark.
function ink(name) {
  const probe = byId("curve-caption");
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

const fade = (colour, share) => colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

function nowLine(colour) {
  return (chart) => {
    const { ctx, bbox } = chart;
    const x = Math.round(chart.valToPos(Date.now() / 1000, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.setLineDash([3, 3]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.restore();
  };
}

function axes(zone) {
  const stroke = ink("soft");
  const grid = { stroke: ink("line"), width: 1 };
  const size = Math.round(parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.8);
  const font = `${size}px sans-serif`;
  // Midnight is told by its day: over several days that is what one looks for.
  const hours = (_, splits) =>
    splits.map((s) => {
      const time = clockTime(s * 1000, zone, false);
      return time === "00:00" ? new Date(s * 1000).toLocaleDateString("en-CA", { timeZone: zone }).slice(5) : time;
    });
  return [
    { stroke, grid, font, ticks: grid, space: 5 * size, size: 2.6 * size, values: hours },
    { stroke, grid, font, ticks: grid, space: 2.5 * size, size: 4 * size, values: (_, splits) => splits.map((n) => (Number.isInteger(n) ? number(n) : "")) },
  ];
}

const bars = (colour, label) => ({
  label,
  stroke: colour,
  fill: fade(colour, 0.75),
  width: 0,
  points: { show: false },
  paths: uPlot.paths.bars({ size: [0.85, 60], align: 0 }),
});

const inZone = (zone) => (s) => uPlot.tzDate(new Date(s * 1000), zone);
const fromNought = (_, __, high) => [0, Math.max(4, Math.ceil(high * 1.1))];

function wholeChart(place, zone) {
  const [accent, warn] = [ink("accent"), ink("warn")];
  const line = { stroke: warn, points: { show: false } };
  const hidden = { ...line, stroke: "transparent" };
  return new uPlot(
    {
      width: Math.max(200, place.clientWidth),
      height: Math.max(120, place.clientHeight),
      tzDate: inZone(zone),
      scales: { y: { range: fromNought } },
      axes: axes(zone),
      cursor: { y: false, drag: { x: false, y: false } },
      series: [
        {},
        bars(accent, tell("series.people")),
        { ...line, label: tell("series.expected"), dash: [8, 4], width: 2 },
        { ...hidden, label: tell("series.low") },
        { ...hidden, label: tell("series.high") },
      ],
      bands: [{ series: [4, 3], fill: fade(warn, 0.18) }],
      legend: { show: false },
      hooks: { draw: [nowLine(ink("ink"))], setCursor: [pick] },
    },
    [[], [], [], [], []],
    place,
  );
}

function gateChart(place, zone) {
  return new uPlot(
    {
      width: Math.max(80, place.clientWidth),
      height: Math.max(40, place.clientHeight),
      tzDate: inZone(zone),
      scales: { y: { range: () => [0, Math.max(4, highest)] } },
      axes: [{ show: false }, { show: false }],
      cursor: { show: false },
      padding: [2, 2, 0, 2],
      series: [{}, bars(ink("accent"), "")],
      legend: { show: false },
    },
    [[], []],
    place,
  );
}

function pick(chart) {
  picked = chart.cursor.idx ?? null;
  if (latest) drawCaption(latest, curveOf(latest));
}

function drawCaption({ arrivals, forecast }, curve) {
  const zone = arrivals.timeZone;
  const at = picked !== null && picked < curve.times.length ? slotWords(picked, curve, zone) : null;
  setText(byId("curve-caption"), at ?? `${tell("curveLegend")} ${summary(curve, zone, forecast)}`);
}

let highest = 0; // all gates are drawn to one scale

function newGateFigure() {
  const name = explained(() => ({ title: name.textContent, lines: [about("gateCurve"), byId("gate-curves-note").textContent] }));
  return make("figure", {}, make("figcaption", {}, name), make("div", { role: "img" }));
}

function drawGateCurves(facts, curve) {
  const names = new Map(facts.gates.map(({ gateId, name }) => [gateId, name]));
  const totals = gateTotals(facts);
  const shown = totals.slice(0, GATES_MAX);
  const counts = new Map(
    shown.map(([gateId]) => [gateId, curve.people.map((n, i) => (n === null ? null : (curve.slots.get(i)?.[2][gateId] ?? 0)))]),
  );
  highest = Math.max(0, ...[...counts.values()].flat());
  const place = byId("gate-curves");
  const held = new Map([...place.children].map((figure) => [figure.dataset.key, figure]));
  const order = new Intl.Collator(currentLanguage(), { numeric: true });
  shown.sort((a, b) => order.compare(names.get(a[0]) ?? a[0], names.get(b[0]) ?? b[0]));
  shown.forEach(([gateId, total], at) => {
    const figure = held.get(gateId) ?? newGateFigure();
    held.delete(gateId);
    figure.dataset.key = gateId;
    const name = names.get(gateId) ?? gateId;
    const words = `${name} · ${number(total)}`;
    setText(figure.firstChild.firstChild, words);
    figure.lastChild.setAttribute("aria-label", tell("gateCurve", { name, n: number(total) }));
    if (place.children[at] !== figure) place.insertBefore(figure, place.children[at] ?? null);
    if (!uPlot) return;
    if (!charts.has(gateId)) charts.set(gateId, gateChart(figure.lastChild, facts.arrivals.timeZone));
    charts.get(gateId).setData([curve.times, counts.get(gateId)]);
  });
  for (const [gateId, figure] of held) {
    charts.get(gateId)?.destroy();
    charts.delete(gateId);
    figure.remove();
  }
  const rest = totals.length - shown.length;
  const scale = tell("gateScale", { n: number(highest), minutes: curve.slotMinutes });
  setText(byId("gate-curves-note"), rest > 0 ? `${scale} ${tell("gatesLeft", { n: number(rest) })}` : scale);
}

function drawTable({ arrivals }, curve) {
  if (!byId("curve-table").open) return;
  const zone = arrivals.timeZone;
  const rows = [];
  curve.times.forEach((_, i) => {
    const value = curve.expected?.value[i] ?? 0;
    if (!curve.people[i] && value < 0.5) return;
    const [low, high] = [curve.expected?.low[i] ?? 0, curve.expected?.high[i] ?? 0].map((n) => number(Math.round(n)));
    const entries = Object.values(curve.slots.get(i)?.[2] ?? {}).reduce((sum, n) => sum + n, 0);
    rows.push({
      key: String(i),
      cells: [
        range(i, curve, zone),
        curve.people[i] === null ? "" : number(curve.people[i]),
        curve.people[i] === null ? "" : number(entries),
        curve.expected ? `${number(Math.round(value))} (${low} – ${high})` : "–",
      ],
    });
  });
  fill("slots", ["time", "cameFirst", "entries", "expectedThen"], rows);
}

export function drawCurves(facts) {
  latest = facts;
  if (!tried) load();
  const minute = Math.floor(Date.now() / 60_000); // the line of now moves on
  const names = facts.gates.map(({ name }) => name).join();
  const mark = [facts.arrivals, facts.forecast, names, currentLanguage(), minute, byId("curve-table").open];
  if (drawn?.every((one, i) => one === mark[i])) return;
  drawn = mark;
  const curve = curveOf(facts);
  if (!curve) return;
  const zone = facts.arrivals.timeZone;
  byId("curve").setAttribute("aria-label", `${tell("curve")}. ${summary(curve, zone, facts.forecast)}`);
  drawCaption(facts, curve);
  if (uPlot) {
    if (!charts.has("all")) charts.set("all", wholeChart(byId("curve"), zone));
    const none = curve.times.map(() => null);
    const { value = none, low = none, high = none } = curve.expected ?? {};
    charts.get("all").setData([curve.times, curve.people, value, low, high]);
  }
  drawGateCurves(facts, curve);
  drawTable(facts, curve);
}

// Colours, language and zone are set when a chart is made: it is made anew.
function again() {
  for (const chart of charts.values()) chart.destroy();
  charts.clear();
  drawn = null;
  if (latest) drawCurves(latest);
}

let was = currentLanguage();
new MutationObserver(() => {
  if (was !== currentLanguage()) again();
  was = currentLanguage();
}).observe(document.documentElement, { attributeFilter: ["lang"] });
dark.addEventListener("change", again);
byId("curve-table").addEventListener("toggle", () => latest && drawCurves(latest));
new ResizeObserver(() => {
  for (const [key, chart] of charts) {
    const place = key === "all" ? byId("curve") : chart.root.parentElement;
    const { clientWidth: width, clientHeight: height } = place;
    if (width && height && (chart.width !== width || chart.height !== height)) chart.setSize({ width, height });
  }
}).observe(byId("curves"));
