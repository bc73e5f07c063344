// Alerts that hold now, newest first, each acknowledged by a touch; and the forecast, asked for now
// and then: it changes slowly.
import { currentLanguage, tell } from "./words.js";

const FORECAST_MS = 15_000;
const byId = (id) => document.getElementById(id);
const standing = new Map(); // id → alert
let forecast = null;
let timer;

export const onAlertFrame = {
  "alert.raised"(alert) {
    standing.set(alert.id, alert);
  },
  "alert.acknowledged"(alert) {
    standing.set(alert.id, alert);
  },
  "alert.cleared"(alert) {
    standing.delete(alert.id);
  },
};

export function forgetAlerts() {
  standing.clear(); // the whole picture follows
}

export function watchForecast(draw) {
  stopForecast();
  const again = async () => {
    try {
      const answer = await fetch("/api/v1/stats/forecast");
      if (answer.ok) forecast = await answer.json();
    } catch (trouble) {
      console.error(trouble); // the page says by itself that it is not connected
    }
    draw();
    timer = setTimeout(again, FORECAST_MS);
  };
  again();
}

export function stopForecast() {
  clearTimeout(timer);
  forecast = null;
  standing.clear();
}

export function drawAlerts(draw) {
  byId("alerts").hidden = standing.size === 0;
  const list = byId("alerts-list");
  const held = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const newest = [...standing.values()].sort((a, b) => Number(b.id) - Number(a.id));
  newest.forEach((alert, place) => {
    const row = held.get(alert.id) ?? newRow(alert.id, draw);
    held.delete(alert.id);
    row.dataset.kind = alert.acknowledgedBy ? "" : "warn";
    const said = alert.message[currentLanguage()];
    const text = `⚠ ${said}`;
    const words = row.querySelector("span");
    if (words.textContent !== text) words.textContent = text;
    const seen = row.querySelector("small");
    seen.textContent = alert.acknowledgedBy ? tell("seenBy", { name: alert.acknowledgedBy }) : "";
    const button = row.querySelector("button");
    button.hidden = Boolean(alert.acknowledgedBy);
    button.textContent = tell("acknowledge");
    button.setAttribute("aria-label", `${tell("acknowledge")}: ${said}`);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  for (const row of held.values()) row.remove();
}

function newRow(id, draw) {
  const item = document.createElement("li");
  item.dataset.key = id;
  const button = document.createElement("button");
  button.type = "button";
  button.addEventListener("click", async () => {
    const answer = await fetch(`/api/v1/alerts/${id}/acknowledge`, { method: "POST" });
    if (answer.ok && standing.has(id)) standing.set(id, await answer.json());
    draw();
  });
  item.append(document.createElement("span"), " ", document.createElement("small"), " ", button);
  return item;
}

export function drawForecast(timeZone) {
  const expected = forecast?.expectedFinalAttendance;
  const number = (n) => n.toLocaleString(currentLanguage());
  byId("forecast").textContent = expected ? number(expected.value) : "–";
  byId("forecast-range").textContent = expected
    ? tell("between", { low: number(expected.low), high: number(expected.high) })
    : "";
  const hour = forecast?.peakHourPrediction?.value;
  const options = { hour: "2-digit", minute: "2-digit", hour12: false, timeZone };
  byId("peak").textContent = hour ? new Date(hour).toLocaleTimeString("en-GB", options) : "–";
}
