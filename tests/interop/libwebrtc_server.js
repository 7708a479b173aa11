// A server of WebRTC calls on libwebrtc: configures the session, plays a tone, and measures what it hears.
const http = require("http");
const wrtc = require(process.argv[2] + "/node_modules/@roamhq/wrtc");
const { RTCAudioSource, RTCAudioSink } = wrtc.nonstandard;

const RATE = 48000;
const FRAME = RATE / 100;
const TONE = 440;
const LEVEL = 0.25;

let heard = [];
let calls = [];
let received = [];

function play(source) {
  let sample = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    while ((sample / RATE) * 1000 < performance.now() - began) {
      const samples = new Int16Array(FRAME);
      for (let i = 0; i < FRAME; i++, sample++)
        samples[i] = Math.round(Math.sin((2 * Math.PI * TONE * sample) / RATE) * LEVEL * 32767);
      source.onData({ samples, sampleRate: RATE, bitsPerSample: 16, channelCount: 1, numberOfFrames: FRAME });
    }
  }, 5);
  return timer;
}

function listen(track) {
  const sink = new RTCAudioSink(track);
  sink.ondata = ({ samples, sampleRate, channelCount }) => {
    let sum = 0, crossings = 0;
    const count = samples.length / channelCount;
    for (let i = 0; i < count; i++) {
      const here = samples[i * channelCount];
      sum += (here / 32768) ** 2;
      if (i > 0 && samples[(i - 1) * channelCount] < 0 && here >= 0) crossings++;
    }
    heard.push({ seconds: count / sampleRate, power: sum / count, crossings });
  };
  return sink;
}

// What the service sends around the sound of one turn.
function turn(send) {
  const response = { id: "resp_1", object: "realtime.response", status: "in_progress", output: [] };
  const about = { response_id: "resp_1", item_id: "item_1", output_index: 0, content_index: 0 };
  const item = { id: "item_1", object: "realtime.item", type: "message", role: "assistant", content: [] };
  send({ type: "response.created", event_id: "e3", response });
  send({ type: "response.output_item.added", event_id: "e4", response_id: "resp_1", output_index: 0, item });
  send({ type: "response.output_audio_transcript.delta", event_id: "e5", delta: "A tone.", ...about });
  send({ type: "output_audio_buffer.started", event_id: "e6", response_id: "resp_1" });
  send({ type: "response.output_audio_transcript.done", event_id: "e7", transcript: "A tone.", ...about });
  send({ type: "response.done", event_id: "e8", response: { ...response, status: "completed" } });
  setTimeout(() => send({ type: "output_audio_buffer.stopped", event_id: "e9", response_id: "resp_1" }), 4000);
}

// The offer in a body: alone, or a field of a form.
function offered(body) {
  return body.startsWith("v=0") ? body : /v=0\r\n[^]*?(?=\r\n--)/.exec(body)[0];
}

async function answer(offer) {
  const pc = new wrtc.RTCPeerConnection({ iceServers: [] });
  const source = new RTCAudioSource();
  const track = source.createTrack();
  let timer, sink;
  pc.ontrack = (event) => { sink = listen(event.track); };
  pc.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      received.push(event.type);
      if (event.type === "session.update" && received.length === 1) {
        channel.send(JSON.stringify({ type: "session.created", event_id: "e1", session: { type: "realtime", id: "s" } }));
        channel.send(JSON.stringify({ type: "session.updated", event_id: "e2", session: { type: "realtime", id: "s" } }));
        timer = play(source);
      }
      if (event.type === "response.create") turn((what) => channel.send(JSON.stringify(what)));
      if (event.type === "echo") channel.send(JSON.stringify({ ...event, type: "echoed" }));
      if (event.type === "bye") channel.close();
    };
  };
  await pc.setRemoteDescription({ type: "offer", sdp: offer });
  pc.addTrack(track);
  await pc.setLocalDescription(await pc.createAnswer());
  await new Promise((resolve) => {
    if (pc.iceGatheringState === "complete") return resolve();
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
    setTimeout(resolve, 2000);
  });
  calls.push({ pc, stop: () => { clearInterval(timer); if (sink) sink.stop(); track.stop(); pc.close(); } });
  return pc.localDescription.sdp;
}

const server = http.createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", async () => {
    try {
      if (request.method === "GET") {
        response.end(JSON.stringify({ heard, received, states: calls.map(({ pc }) => pc.connectionState) }));
      } else if (request.method === "DELETE") {
        calls.forEach((call) => call.stop());
        [heard, calls, received] = [[], [], []];
        response.end();
      } else {
        const sdp = await answer(offered(body));
        response.writeHead(201, { "content-type": "application/sdp", location: "/v1/realtime/calls/rtc_libwebrtc" });
        response.end(sdp);
      }
    } catch (error) {
      response.writeHead(500);
      response.end(String(error));
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
