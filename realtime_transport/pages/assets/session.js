"use strict";
const events = JSON.parse(document.getElementById("events").textContent);
const sound = document.getElementById("sound");
let chosen = -1;

function model(name) {
  const document_ = window.Bokeh && Bokeh.documents[0];
  return document_ ? document_.get_model_by_name(name) : null;
}
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
  const middle = sound && sound.currentTime > shown.start && sound.currentTime < shown.end
    ? sound.currentTime : (shown.start + shown.end) / 2;
  shown.setv({start: middle - (middle - shown.start) * factor, end: middle + (shown.end - middle) * factor});
}
function whole() {
  const shown = range();
  if (shown) shown.setv({start: shown.reset_start, end: shown.reset_end});
}
function tick() {
  if (sound) { movePlayhead(sound.currentTime); if (!sound.paused) requestAnimationFrame(tick); }
}
if (sound) { sound.addEventListener("play", tick); sound.addEventListener("seeked", tick); }
document.getElementById("zoom-in").onclick = () => zoom(0.5);
document.getElementById("zoom-out").onclick = () => zoom(2);
document.getElementById("whole").onclick = whole;
document.getElementById("theme").onclick = () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
for (const row of document.querySelectorAll("tr[data-at]")) {
  row.onclick = () => seek(Number(row.dataset.at));
  row.onkeydown = (key) => { if (key.key === "Enter") seek(Number(row.dataset.at)); };
}
document.addEventListener("keydown", (key) => {
  if (key.target.closest("button, audio, input") || key.ctrlKey || key.metaKey || key.altKey) return;
  const keys = {
    " ": () => sound && (sound.paused ? sound.play() : sound.pause()),
    "+": () => zoom(0.5), "-": () => zoom(2), "0": whole,
    "ArrowRight": () => showEvent(Math.min(events.length - 1, chosen + 1)),
    "ArrowLeft": () => showEvent(Math.max(0, chosen - 1)),
  };
  if (keys[key.key]) { keys[key.key](); key.preventDefault(); }
});
