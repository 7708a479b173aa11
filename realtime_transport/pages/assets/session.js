"use strict";
const events = JSON.parse(document.getElementById("events").textContent);
const sound = document.getElementById("sound");
let chosen = -1;

function range() { const figure = model("voices"); return figure ? figure.x_range : null; }

function showEvent(index) {
  const event = events[index];
  if (!event) return;
  chosen = index;
  document.getElementById("event-title").textContent =
    `Message: ${event.type} (${event.lane}, ${event.t.toFixed(3)} s)`;
  document.getElementById("event").textContent = JSON.stringify(event.detail, null, 2);
  const mark = model("chosen");
  if (mark) { mark.location = event.t; mark.visible = true; }
}
function seek(seconds) {
  if (sound) sound.currentTime = Math.max(0, seconds);
  movePlayhead(seconds);
}
function movePlayhead(seconds) {
  const head = model("playhead");
  if (head) head.location = seconds;
}
function zoom(factor) {
  const shown = range();
  if (!shown) return;
  const isShown = sound && sound.currentTime > shown.start && sound.currentTime < shown.end;
  scale(shown, factor, isShown ? sound.currentTime : undefined);
}
function whole() {
  const shown = range();
  if (shown) shown.setv({start: shown.reset_start, end: shown.reset_end});
}
function tick() {
  if (sound) { movePlayhead(sound.currentTime); if (!sound.paused) requestAnimationFrame(tick); }
}
if (sound) { sound.addEventListener("play", tick); sound.addEventListener("seeked", tick); }
for (const row of document.querySelectorAll("tr[data-at]")) {
  row.onclick = () => seek(Number(row.dataset.at));
  row.onkeydown = (key) => { if (key.key === "Enter") seek(Number(row.dataset.at)); };
}
control(zoom, whole, {
  " ": () => sound && (sound.paused ? sound.play() : sound.pause()),
  "ArrowRight": () => showEvent(Math.min(events.length - 1, chosen + 1)),
  "ArrowLeft": () => showEvent(Math.max(0, chosen - 1)),
});
