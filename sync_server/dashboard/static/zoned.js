// Moments as the clocks of a time zone show them, for fields of type datetime-local.

// “2026-11-21T09:30” as that zone's clocks show the moment.
export function localText(when, timeZone) {
  const options = {
    timeZone, year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  };
  const parts = new Intl.DateTimeFormat("en-CA", options).formatToParts(new Date(when));
  const of = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${of.year}-${of.month}-${of.day}T${of.hour}:${of.minute}`;
}

// The moment when that zone's clocks show the text. Where they show it twice, the first; where they
// skip it, as if they had not been turned yet. RangeError: no such time or zone.
export function zonedMoment(text, timeZone) {
  const wanted = Date.parse(`${text}Z`);
  const shownAt = (moment) => Date.parse(`${localText(moment, timeZone)}Z`);
  // Offsets before and after any turning of the clocks near that moment.
  const offsets = [-864e5, 864e5].map((away) => shownAt(wanted + away) - (wanted + away));
  const moments = offsets.map((offset) => wanted - offset);
  const fitting = moments.filter((moment) => shownAt(moment) === wanted);
  return new Date(fitting.length ? Math.min(...fitting) : moments[0]).toISOString();
}
