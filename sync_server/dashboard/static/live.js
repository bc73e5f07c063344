// The live page. `facts` is everything it knows; frames change it, `draw` shows it.
import { drawAlerts, forgetAlerts, onAlertFrame } from "./alerts.js";
import { askWaiting, drawAttention, stopWatching, watchDevices } from "./attention.js";
import { drawCurves } from "./charts.js";
import { drawConflicts, forgetConflicts } from "./conflicts.js";
import { drawLive } from "./draw.js";
import { endEnrolment, offerEnrolment } from "./enrol.js";
import { closeExplanation, drawExplanation } from "./explain.js";
import { drawAges, drawGates } from "./gatemap.js";
import { drawPeople, forgetPeople } from "./people.js";
import { follow, showSignIn, startPage } from "./shell.js";
import explanations from "./words.explain.js";
import { currentLanguage, learn, tell, tellAge } from "./words.js";
import words from "./words.live.js";

learn(words);
learn(explanations);

const SCANS_MAX = 20;
const byId = (id) => document.getElementById(id);
const nothing = () => ({
  heardAt: null, // when the last frame arrived, by this machine's clock (ms)
  event: null,
  overall: null,
  gates: [],
  sync: new Map(), // "gate/device" → its last gate.status
  syncMoved: 0,
  scans: [], // newest first
  arrivals: null,
  forecast: null,
  conflicts: null,
});
const facts = { person: null, line: "connecting", ...nothing() }; // connecting | connected | lost
let stopFollowing = null;
let drawing = false;

document.documentElement.classList.toggle("wall", new URLSearchParams(location.search).get("wall") === "1");

// ---- frames -----------------------------------------------------------------------------------

const keyOf = ({ gateId, deviceId }) => `${gateId}/${deviceId ?? ""}`;

const onFrame = {
  ...onAlertFrame,
  "stats.updated"(data) {
    facts.overall = data.overall ?? facts.overall;
    facts.event = data.event ?? facts.event;
    if (data.partial) {
      const moved = new Map(data.gates.map((gate) => [gate.gateId, gate]));
      facts.gates = facts.gates.map((gate) => moved.get(gate.gateId) ?? gate);
    } else facts.gates = data.gates ?? facts.gates;
  },
  "gate.status"(data) {
    facts.sync.set(keyOf(data), data);
    facts.syncMoved += 1;
  },
  "gates.known"({ gates }) {
    const known = new Set(gates.map(keyOf));
    for (const key of facts.sync.keys()) if (!known.has(key)) facts.sync.delete(key);
    facts.syncMoved += 1;
  },
  "scan.merged"(data) {
    const at = facts.scans.findIndex(({ scanId }) => scanId === data.scanId);
    if (at >= 0) facts.scans[at] = data; // merged anew: its verdict may have changed
    else facts.scans = [data, ...facts.scans].slice(0, SCANS_MAX);
  },
  "arrivals.updated"(data) {
    if (!data.partial) {
      facts.arrivals = { ...data, slots: new Map(data.slots.map((slot) => [slot[0], slot])) };
      return;
    }
    const { slots } = facts.arrivals;
    for (const slot of data.slots) slots.set(slot[0], slot);
    facts.arrivals = { ...data, slots };
  },
  "forecast.updated"(data) {
    facts.forecast = data;
  },
  "conflicts.updated"(data) {
    facts.conflicts = data;
  },
  "devices.waiting"({ devices }) {
    askWaiting(devices.length > 0, draw);
  },
};

function startFollowing() {
  facts.line = "connecting";
  stopFollowing = follow({
    open() {
      facts.line = "connected";
      facts.sync.clear(); // the whole picture follows
      forgetAlerts();
      draw();
    },
    frame({ type, data }) {
      facts.heardAt = Date.now();
      onFrame[type]?.(data);
      draw();
    },
    lost() {
      facts.line = "lost";
      draw();
    },
    over: () => showSignIn({ key: "sessionOver" }),
  });
}

// ---- drawing ----------------------------------------------------------------------------------

function drawConnection() {
  const mark = { connected: "●", connecting: "◌", lost: "✕" }[facts.line];
  const said = facts.person ? `${mark} ${tell(facts.line)}` : "";
  const element = byId("connection");
  element.dataset.line = facts.line;
  if (element.textContent !== said) element.textContent = said; // said aloud once
  const old = byId("old");
  old.hidden = facts.line === "connected" || facts.heardAt === null;
  if (!old.hidden) {
    const zone = { timeZone: facts.event?.timeZone };
    const time = new Date(facts.heardAt).toLocaleTimeString(currentLanguage(), zone);
    const words = tell("old", { time, age: tellAge(Date.now() - facts.heardAt) });
    if (old.textContent !== words) old.textContent = words;
  }
}

// Many frames in one go are drawn once.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    if (!facts.person) return drawConnection();
    byId("report").search = `?language=${currentLanguage()}`;
    drawConnection();
    drawAlerts(draw);
    drawLive(facts);
    drawGates(facts);
    drawCurves(facts);
    drawConflicts(facts);
    drawPeople(facts);
    drawAttention(draw);
    drawExplanation();
  });
}

// ---- coming and going -------------------------------------------------------------------------

function signedIn(person) {
  facts.person = person;
  startFollowing();
  watchDevices(person);
  offerEnrolment(person);
}

function signedOut() {
  stopFollowing?.();
  stopFollowing = null;
  stopWatching();
  endEnrolment();
  forgetAlerts();
  forgetConflicts();
  forgetPeople();
  closeExplanation();
  Object.assign(facts, { person: null, ...nothing() });
}

setInterval(() => {
  if (!facts.person) return;
  drawConnection();
  drawAges(facts);
}, 1000);

await startPage({ signedIn, signedOut, draw });
