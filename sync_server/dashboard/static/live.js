// The live page. `facts` is everything it knows; frames change it, `draw` shows it.
import { drawAlerts, drawForecast, forgetAlerts, onAlertFrame, stopForecast, watchForecast } from "./alerts.js";
import { drawAttention, stopWatching, watchDevices } from "./attention.js";
import { drawAges, drawLive } from "./draw.js";
import { endEnrolment, offerEnrolment } from "./enrol.js";
import { follow, showSignIn, startPage } from "./shell.js";
import { currentLanguage, learn, tell, tellAge } from "./words.js";
import words from "./words.live.js";

learn(words);

const SCANS_MAX = 20;
const byId = (id) => document.getElementById(id);

const facts = {
  person: null,
  line: "connecting", // connecting | connected | lost
  heardAt: null, // when the last frame arrived, by this machine's clock (ms)
  event: null,
  overall: null,
  gates: [],
  sync: new Map(), // "gate/device" → its last gate.status and when it was heard
  scans: [], // newest first
};
let stopFollowing = null;
let drawing = false;

// ---- frames -----------------------------------------------------------------------------------

const onFrame = {
  ...onAlertFrame,
  "stats.updated"(data) {
    facts.overall = data.overall ?? facts.overall;
    facts.gates = data.gates ?? facts.gates;
    facts.event = data.event ?? facts.event;
  },
  "gate.status"(data) {
    const key = `${data.gateId}/${data.deviceId ?? ""}`;
    facts.sync.set(key, data);
  },
  "gates.known"({ gates }) {
    const known = new Set(gates.map(({ gateId, deviceId }) => `${gateId}/${deviceId ?? ""}`));
    for (const key of facts.sync.keys()) if (!known.has(key)) facts.sync.delete(key);
  },
  "scan.merged"(data) {
    const at = facts.scans.findIndex(({ scanId }) => scanId === data.scanId);
    if (at >= 0) facts.scans[at] = data; // merged anew: its verdict may have changed
    else facts.scans = [data, ...facts.scans].slice(0, SCANS_MAX);
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
    const time = new Date(facts.heardAt).toLocaleTimeString(currentLanguage());
    old.textContent = tell("old", { time, age: tellAge(Date.now() - facts.heardAt) });
  }
}

// Many frames in one go are drawn once.
function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    byId("report").search = `?language=${currentLanguage()}`;
    drawConnection();
    drawAlerts(draw);
    drawForecast(facts.event?.timeZone);
    drawLive(facts);
    drawAttention(draw);
  });
}

// ---- coming and going -------------------------------------------------------------------------

function signedIn(person) {
  facts.person = person;
  startFollowing();
  watchDevices(person, draw);
  offerEnrolment(person);
  watchForecast(draw);
}

function signedOut() {
  stopFollowing?.();
  stopFollowing = null;
  stopWatching();
  endEnrolment();
  stopForecast();
  Object.assign(facts, { person: null, heardAt: null, event: null, overall: null, gates: [], scans: [] });
  facts.sync.clear();
}

setInterval(() => {
  if (!facts.person) return;
  drawConnection();
  drawAges(facts);
}, 1000);

await startPage({ signedIn, signedOut, draw });
