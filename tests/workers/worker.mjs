// What a Worker gives to Python: a fetch() that upgrades, and WebSockets that have to be accepted.
import { loadPyodide } from "pyodide";
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
// What the SDK of the Workers runtime finds in its place there.
pyodide.registerJsModule("_pyodide_entrypoint_helper", { patchWaitUntil: () => {}, cloudflareWorkersModule: {} });
pyodide.registerJsModule("_cloudflare_compat_flags", {});
pyodide.mountNodeFS("/site", `${import.meta.dirname}/site`);
pyodide.globals.set("env", { OPENAI_API_KEY: "sk-test" });
pyodide.globals.set("url", process.argv[2]);
await pyodide.runPythonAsync("import sys; sys.path.insert(0, '/site'); import runtime; await runtime.main(env, url)");
process.exit(0);
