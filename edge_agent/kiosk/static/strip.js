// The strip at the foot: how the gate is. What is not known is not shown, and never guessed.
import { byId, clockTime, dayAndTime, setText } from "./page.js";
import { tell, tellAge, tellError } from "./words.js";

const HOT_C = 75;
const BATTERY_LOW = 25;

function item(id, text, { mark = "", trouble = false } = {}) {
  const element = byId(id);
  element.hidden = !text;
  element.dataset.mark = mark;
  element.classList.toggle("trouble", trouble);
  setText(element, text ?? "");
}

export function drawStrip({ language, health, linked }) {
  const say = (key, values) => tell(language, key, values);
  const zone = health.event?.timeZone;
  if (!linked) {
    for (const { id } of byId("strip").children) item(id, null);
    item("online", say("unlinked"), { mark: "↻", trouble: true });
    return;
  }
  byId("strip").hidden = Boolean(health.enrolment);
  const since = health.offlineSince && dayAndTime(health.offlineSince, zone);
  const offline = since ? say("offline", { since }) : say("offlineNow");
  item("online", health.online ? say("online") : offline, {
    mark: health.online ? "●" : "○",
    trouble: !health.online,
  });
  item("waiting", say("waiting", { n: health.waiting ?? 0 }), { mark: "↑" });
  const hasList = typeof health.replicaAgeS === "number";
  item("age", hasList ? say("age", { age: tellAge(language, health.replicaAgeS) }) : say("noList"), {
    mark: "☰",
    trouble: !hasList,
  });
  item("inside", typeof health.inside === "number" ? say("inside", { n: health.inside }) : null, {
    mark: "⌂",
  });
  drawClock(say, language, health.clock);
  drawBoard(say, language, health, zone);
}

function drawClock(say, language, clock) {
  if (!clock) return item("clock", null);
  const error = tellError(language, clock.errorMs ?? 0);
  if (clock.quality === "synced") return item("clock", say("clockGood", { error }), { mark: "◷" });
  if (clock.quality === "bounded") return item("clock", say("clockBounded", { error }), { mark: "◷" });
  return item("clock", say("clock"), { mark: "⚠", trouble: true });
}

function drawBoard(say, language, health, zone) {
  const power = health.power ?? {};
  const level = power.batteryPercent;
  item("battery", typeof level === "number" ? say("battery", { n: level }) : null, {
    mark: power.charging ? "⚡" : "▮",
    trouble: level < BATTERY_LOW && !power.charging,
  });
  const heat = power.temperatureC;
  item("heat", typeof heat === "number" ? say("hot", { n: Math.round(heat) }) : null, {
    mark: heat >= HOT_C ? "⚠" : "",
    trouble: heat >= HOT_C,
  });
  item("throttled", power.throttled ? say("throttled") : null, { mark: "⚠", trouble: true });
  const bad = (health.readers ?? []).filter(({ state }) => ["missing", "failed"].includes(state));
  const names = bad.map(({ name, detail }) => (detail ? `${name} (${detail})` : name)).join(", ");
  item("readers", names ? say("reader", { name: names }) : null, { mark: "⚠", trouble: true });
  item("barrier", health.barrier ? say("barrier") : null, { mark: "⚠", trouble: true });
  const troubles = (health.troubles ?? []).map((trouble) => trouble[language]).join(" · ");
  item("troubles", troubles, { mark: "⚠", trouble: true });
  const double = health.doubleEntries;
  const where = double && { n: double.count, gate: double.gate, time: clockTime(double.at, zone) };
  item("double", double ? say("doubleEntry", where) : null, { mark: "⚠", trouble: true });
}
