// The line to the agent: a WebSocket that comes back by itself. The agent speaks at least once a
// second, so silence means that it is gone even where the connection seems to stand.
const RETRY_MS = 400;
const SILENCE_MS = 4000;

export function connect({ onFrame, onLost }) {
  const address = `ws://${location.host}/api/live`;
  let silence;

  function open() {
    const socket = new WebSocket(address);
    let over = false;
    const end = () => {
      if (over) return;
      over = true;
      clearTimeout(silence);
      socket.close();
      onLost();
      setTimeout(open, RETRY_MS);
    };
    const listen = () => {
      clearTimeout(silence);
      silence = setTimeout(end, SILENCE_MS);
    };
    socket.addEventListener("message", ({ data }) => {
      if (over) return;
      listen();
      const frame = JSON.parse(data);
      onFrame(frame.type, frame.data);
    });
    socket.addEventListener("close", end);
    socket.addEventListener("error", end);
    listen();
  }
  open();
}
