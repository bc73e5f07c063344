// Small helpers that each part of the page uses.
export const byId = (id) => document.getElementById(id);

// Setting equal text again would make a screen reader speak again.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// An element with children; `text`, `class` and `on…` are understood, the rest are attributes.
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// With the day where it was not today.
export function dayAndTime(when, timeZone) {
  const day = (date) => date.toLocaleDateString("sv-SE", timeZone ? { timeZone } : {}).slice(5);
  const then = day(new Date(when));
  return [then === day(new Date()) ? "" : then, clockTime(when, timeZone)].join(" ").trim();
}

export function clockTime(when, timeZone) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Date(when).toLocaleTimeString("en-GB", timeZone ? { ...options, timeZone } : options);
}
