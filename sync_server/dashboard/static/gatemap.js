// The map of gates: a tile a gate, those in trouble first. Sign, word and colour say the same; a
// touch tells all that is known of the gate and what each number means.
import { clockTime, number, setText } from "./draw.js";
import { about, asOf, explained } from "./explain.js";
import { make } from "./shell.js";
import { currentLanguage, tell, tellAge } from "./words.js";

const LOAD_HIGH = 80; // percent; as the alert `gate_overload`
const WAITING_HIGH = 20;
const LIST_OLD_S = 60;
const CLOCK_ERROR_HIGH_MS = 1000;
const BATTERY_LOW = 20;
const BATTERY_EMPTY = 8;
const HOT_C = 80;
const DISK_LOW_BYTES = 200e6;
const RANKS = ["good", "none", "warn", "bad"]; // the worst comes first on the page
const MARKS = { online: "●", noDevice: "○", offline: "✕" };
const byId = (id) => document.getElementById(id);
let drawn = null;
let latest = null;

// ---- what is wrong with a gate ----------------------------------------------------------------

const ofDevice = {
  offline: ({ online }) => !online && "bad",
  readers: ({ readers }) => readers?.some(({ state }) => state === "failed") && "bad",
  battery({ power }) {
    if (typeof power?.batteryPercent !== "number" || power.charging) return false;
    if (power.batteryPercent <= BATTERY_EMPTY) return "bad";
    return power.batteryPercent <= BATTERY_LOW && "warn";
  },
  queue: ({ waiting }) => waiting >= WAITING_HIGH && "warn",
  list: ({ replicaAgeS }) => replicaAgeS > LIST_OLD_S && "warn",
  clock: ({ clock }) => clock && (clock.quality === "wall" || clock.errorMs > CLOCK_ERROR_HIGH_MS) && "warn",
  power: ({ power }) => (power?.throttled || power?.temperatureC > HOT_C) && "warn",
  disk: ({ freeBytes }) => typeof freeBytes === "number" && freeBytes < DISK_LOW_BYTES && "warn",
  trouble: ({ troubles }) => troubles?.length > 0 && "warn",
};

function troubles(gate, devices) {
  const found = [];
  if (gate?.currentLoad > LOAD_HIGH) found.push({ name: "load", kind: "warn" });
  for (const device of devices) {
    for (const [name, judge] of Object.entries(ofDevice)) {
      const kind = judge(device);
      if (kind) found.push({ name, kind, device });
    }
  }
  return found.sort((a, b) => RANKS.indexOf(b.kind) - RANKS.indexOf(a.kind));
}

function picture({ gates, sync }) {
  const named = new Map(gates.map((gate) => [gate.gateId, { gate, name: gate.name, devices: [] }]));
  for (const status of sync.values()) {
    const entry = named.get(status.gateId) ?? { name: status.gateName ?? status.gateId, devices: [] };
    named.set(status.gateId, entry);
    if (status.deviceId) entry.devices.push(status);
  }
  const all = [...named].map(([gateId, { gate, name, devices }]) => {
    const wrong = troubles(gate, devices);
    const kind = wrong[0]?.kind ?? (devices.length ? "good" : "none");
    return { gateId, gate, name, devices, wrong, kind, closed: gate?.active === false };
  });
  const order = new Intl.Collator(currentLanguage(), { numeric: true });
  return all.sort((a, b) => RANKS.indexOf(b.kind) - RANKS.indexOf(a.kind) || order.compare(a.name, b.name));
}

// ---- words for what a device says --------------------------------------------------------------

const clockOf = ({ clock }) => {
  if (!clock) return "–";
  return clock.quality === "wall" ? tell("clockUnsure") : `±${number(Math.round(clock.errorMs ?? 0))} ms`;
};
const lagOf = ({ replicaLag }) => {
  if (typeof replicaLag !== "number") return "–";
  return replicaLag ? tell("behind", { n: number(replicaLag) }) : tell("current");
};
const batteryOf = ({ power }) => {
  if (typeof power?.batteryPercent !== "number") return tell("noBattery");
  return `${number(power.batteryPercent)} %${power.charging ? ` (${tell("charging")})` : ""}`;
};
const seenOf = ({ lastSeenAt }) =>
  lastSeenAt ? tell("ago", { age: tellAge(Date.now() - new Date(lastSeenAt)) }) : tell("never");
const heatOf = ({ power }) => {
  if (typeof power?.temperatureC !== "number") return null;
  return `${number(power.temperatureC)} °C${power.throttled ? ` (${tell("throttled")})` : ""}`;
};
const diskOf = ({ freeBytes }) => (typeof freeBytes === "number" ? `${number(Math.round(freeBytes / 1e6))} MB` : null);
const readersOf = ({ readers }) =>
  readers?.length ? readers.map(({ name, state }) => `${name} ${tell(`reader.${state}`)}`).join(", ") : null;
const troubleOf = ({ troubles: said }) =>
  said?.length ? said.map((one) => one[currentLanguage()] ?? one.en ?? one.code).join(" · ") : null;

const SAID = {
  offline: seenOf,
  readers: readersOf,
  battery: batteryOf,
  queue: ({ waiting }) => number(waiting),
  list: ({ replicaAgeS }) => tellAge(replicaAgeS * 1000),
  clock: clockOf,
  power: heatOf,
  disk: diskOf,
  trouble: troubleOf,
};

function methodsOf(breakdown) {
  const parts = Object.entries(breakdown ?? {}).map(([name, n]) => `${tell(`method.${name}`)} ${number(n)}`);
  return parts.join(" · ") || "–";
}

// The card of a gate: a line a number, with what it means.
function explanation(gateId) {
  const found = picture(latest).find((one) => one.gateId === gateId);
  if (!found) return { title: gateId, lines: [tell("gateGone")] };
  const { gate, devices, name, closed } = found;
  const line = (key, value) => (value === null ? "" : `${tell(key)}: ${value}. ${about(`gate.${key}`)}`);
  const lines = [closed ? `${tell("closed")}. ${about("gate.closed")}` : ""];
  for (const device of devices) {
    const state = device.online ? tell("online") : tell("offline");
    lines.push(
      `${device.deviceName ?? device.deviceId}: ${state}. ${about("gate.state")}`,
      line("seen", seenOf(device)),
      line("waiting", number(device.waiting)),
      line("lag", lagOf(device)),
      line("clock", clockOf(device)),
      line("battery", batteryOf(device)),
      line("heat", heatOf(device)),
      line("disk", diskOf(device)),
      line("readers", readersOf(device)),
      line("trouble", troubleOf(device)),
    );
  }
  if (!devices.length) lines.push(`${tell("noDevice")}. ${about("gate.noDevice")}`);
  if (gate) {
    lines.push(
      line("processed", number(gate.totalProcessed)),
      line("methods", methodsOf(gate.methodBreakdown)),
      line("refused", number(gate.refused)),
      line("conflicts", number(gate.conflicts)),
      line("average", `${number(gate.avgProcessingTime)} ms`),
      line("load", `${number(gate.currentLoad)} %`),
      line("wait", tell("seconds", { n: number(gate.estimatedWaitTime) })),
      line("last", clockTime(gate.lastAttendance, latest.event?.timeZone)),
    );
  }
  return { title: name, lines: [...lines, asOf(latest)] };
}

// ---- drawing ----------------------------------------------------------------------------------

function newTile(gateId) {
  const parts = ["name", "state", "facts", "wrong"].map((className) => make("span", { className }));
  const tile = make("li", {}, explained(() => explanation(gateId), { className: "number gate" }, ...parts));
  tile.dataset.key = gateId;
  return tile;
}

const stateOf = ({ devices }) => {
  if (!devices.length) return "noDevice";
  return devices.every(({ online }) => online) ? "online" : "offline";
};

function wordsOf({ gate, devices, wrong, closed }) {
  const waiting = devices.reduce((sum, device) => sum + (device.waiting ?? 0), 0);
  const worst = devices.find((device) => wrong.some((one) => one.device === device)) ?? devices[0];
  const state = stateOf({ devices });
  const shut = closed ? ` · ${tell("closed")}` : "";
  const facts = [
    gate && `${number(gate.totalProcessed)} · ${tell("load")} ${number(gate.currentLoad)} %`,
    worst && `${tell("waiting")} ${number(waiting)} · ${tell("lag")} ${lagOf(worst)}`,
    worst && `${tell("clock")} ${clockOf(worst)}${worst.power?.batteryPercent ? ` · ${tell("battery")} ${batteryOf(worst)}` : ""}`,
  ];
  const said = wrong.map(({ name, device }) => {
    const more = device ? SAID[name](device) : `${number(gate.currentLoad)} %`;
    return `${tell(`wrong.${name}`)}${more ? ` ${more}` : ""}`;
  });
  return {
    state: `${MARKS[state]} ${tell(state)}${shut}`,
    facts: facts.filter(Boolean).join("\n"),
    wrong: said.length ? `⚠ ${said.join(" · ")}` : "",
  };
}

export function drawGates(facts, always = false) {
  latest = facts;
  const mark = [facts.gates, facts.syncMoved, currentLanguage(), byId("find-gate").value];
  if (!always && drawn?.every((one, i) => one === mark[i])) return;
  drawn = mark;
  const all = picture(facts);
  const sought = byId("find-gate").value.trim().toLocaleLowerCase();
  const shown = all.filter((one) =>
    `${one.name} ${one.gateId} ${one.devices.map(({ deviceName }) => deviceName).join(" ")} ${wordsOf(one).wrong}`
      .toLocaleLowerCase()
      .includes(sought),
  );
  const list = byId("gates");
  const held = new Map([...list.children].map((tile) => [tile.dataset.key, tile]));
  shown.forEach((one, place) => {
    const tile = held.get(one.gateId) ?? newTile(one.gateId);
    held.delete(one.gateId);
    tile.dataset.kind = one.kind;
    setText(tile.querySelector(".name"), one.name);
    tile.querySelector(".state").dataset.state = stateOf(one);
    for (const [name, text] of Object.entries(wordsOf(one))) setText(tile.querySelector(`.${name}`), text);
    if (list.children[place] !== tile) list.insertBefore(tile, list.children[place] ?? null);
  });
  for (const tile of held.values()) tile.remove();
  list.dataset.many = all.length > 24;
  byId("no-gates").hidden = shown.length > 0 || !sought;
  const online = all.filter((one) => stateOf(one) === "online").length;
  const wrong = all.filter(({ kind }) => kind === "bad" || kind === "warn").length;
  const words = { all: number(all.length), online: number(online), wrong: number(wrong), shown: number(shown.length) };
  const summary = byId("map-summary");
  if (!summary.firstChild) summary.append(explained(() => ({ title: summary.textContent, lines: [about("map"), asOf(latest)] })));
  setText(summary.firstChild, tell(sought ? "mapFound" : "mapSummary", words));
}

// Ages go on counting while nothing arrives.
export const drawAges = (facts) => drawGates(facts, true);

byId("find-gate").addEventListener("input", () => drawGates(latest));
byId("find-gate").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.target.value = "";
  drawGates(latest);
});
