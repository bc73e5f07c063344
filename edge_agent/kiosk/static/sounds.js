// Sounds differ by pattern, not by pitch alone: [start s, length s, Hz] for each name of screens.py.
const PATTERNS = {
  rise: [[0, 0.09, 880], [0.1, 0.16, 1320]],
  low: [[0, 0.4, 220]],
  triple: [[0, 0.12, 520], [0.2, 0.12, 520], [0.4, 0.12, 520]],
};
const LOUDEST = 0.35;
let volumeNow = 0.2;
let context;

// 0 to 100, as a supervisor set it.
export function setVolume(percent) {
  volumeNow = (LOUDEST * percent) / 100;
}

// A gate without a sound device is a gate: it shows.
export function play(name) {
  try {
    sound(name);
  } catch (problem) {
    console.warn("no sound", problem);
  }
}

function sound(name) {
  if (!window.AudioContext || !PATTERNS[name] || volumeNow <= 0) return;
  context ??= new AudioContext();
  // A browser that wants a touch first stays silent; the kiosk's is started with sound allowed.
  if (context.state !== "running") {
    context.resume().catch(() => undefined);
    if (context.state !== "running") return;
  }
  for (const [start, length, pitch] of PATTERNS[name]) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const from = context.currentTime + start;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(volumeNow, from);
    volume.gain.exponentialRampToValueAtTime(0.001, from + length);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + length);
  }
}
