// What a Worker gives to Python: a fetch() that upgrades, and WebSockets that have to be accepted.
import { loadPyodide } from "pyodide";
import { readFileSync } from "node:fs";
import WebSocket from "ws";

class WorkerSocket extends EventTarget {
  #socket;
  constructor(socket) {
    super();
    this.#socket = socket;
    socket.pause();
    socket.on("message", (data, binary) => {
      const event = new Event("message");
      event.data = binary ? data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) : data.toString();
      this.dispatchEvent(event);
    });
    socket.on("close", (code, reason) => {
      const event = new Event("close");
      Object.assign(event, { code, reason: reason.toString() });
      this.dispatchEvent(event);
    });
    socket.on("error", () => this.dispatchEvent(new Event("error")));
  }
  accept() { this.#socket.resume(); }
  send(text) {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new TypeError("the socket is not open");
    this.#socket.send(text);
  }
  close(code, reason) { this.#socket.close(code, reason); }
}

const plainFetch = globalThis.fetch;
globalThis.fetch = (url, init) => {
  const { Upgrade, Connection, "Sec-WebSocket-Protocol": protocol, ...headers } = init?.headers ?? {};
  if (Upgrade !== "websocket") return plainFetch(url, init);
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, "ws"), protocol, { headers });
    socket.once("open", () => resolve({ status: 101, webSocket: new WorkerSocket(socket) }));
    socket.once("unexpected-response", (request, response) => {
      let body = "";
      response.on("data", (chunk) => (body += chunk));
      response.on("end", () => resolve({ status: response.statusCode, webSocket: null, text: async () => body }));
    });
    socket.once("error", reject);
  });
};

const pyodide = await loadPyodide();
pyodide.mountNodeFS("/site", `${import.meta.dirname}/site`);
pyodide.globals.set("url", process.argv[2]);
await pyodide.runPythonAsync("import sys; sys.path.insert(0, '/site')");
await pyodide.runPythonAsync(readFileSync("turn.py", "utf8") + "\nawait main(url)\n");
process.exit(0);
