// The line to the server: the session, and a WebSocket that comes back by itself. The first frames
// of each connection carry the whole picture, so nothing needs to be asked for besides.
const RETRY_MS = [500, 1000, 2000, 4000, 5000];
const SILENCE_MS = 15_000; // figures are told at least every 5 s

export async function whoAmI() {
  const answer = await fetch("/api/v1/session");
  if (answer.status === 401 || answer.status === 403) return null;
  if (!answer.ok) throw new Error(`session: ${answer.status}`);
  return answer.json();
}

// Returns null when signed in, else {status, message, retryAfterS}; status 0: nobody answered.
export async function signIn(name, password) {
  let answer;
  try {
    answer = await fetch("/api/v1/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name, password }),
    });
  } catch {
    return { status: 0 };
  }
  if (answer.ok) return null;
  const body = await answer.json().catch(() => null);
  return {
    status: answer.status,
    message: body?.error?.message ?? `${answer.status}`,
    retryAfterS: answer.headers.get("Retry-After") ?? "60",
  };
}

export async function signOut() {
  await fetch("/api/v1/session", { method: "DELETE" });
}

// Tells `on.open()`, `on.frame(frame)`, `on.lost()` (each time) and `on.over()` (the session ended).
// Returns a function that ends it.
export function follow(on) {
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`;
  let ended = false;
  let tries = 0;
  let socket;
  let timer;

  async function again() {
    if (ended) return;
    let person;
    try {
      person = await whoAmI();
    } catch {
      return later(); // nobody there yet
    }
    if (ended) return;
    if (person) open();
    else on.over();
  }

  function later() {
    if (ended) return;
    timer = setTimeout(again, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)] * (0.75 + Math.random() / 2));
    tries += 1;
  }

  function open() {
    socket = new WebSocket(address);
    const mine = socket;
    let silence;
    let over = false;
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(lost, SILENCE_MS);
    };
    function lost() {
      if (over) return;
      over = true;
      clearTimeout(silence);
      mine.close();
      if (ended) return;
      on.lost();
      later();
    }
    mine.addEventListener("open", () => on.open());
    mine.addEventListener("message", ({ data }) => {
      if (over || ended) return;
      tries = 0;
      listen();
      on.frame(JSON.parse(data));
    });
    mine.addEventListener("close", lost);
    mine.addEventListener("error", lost);
    listen();
  }

  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    socket.close();
  };
}
