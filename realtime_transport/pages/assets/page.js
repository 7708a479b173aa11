"use strict";
// What the pages share: models of bokeh by their names, and zoom and theme by button and by key.

function model(name) {
  const document_ = window.Bokeh && Bokeh.documents[0];
  return document_ ? document_.get_model_by_name(name) : null;
}
function scale(range, factor, middle = (range.start + range.end) / 2) {
  range.setv({start: middle - (middle - range.start) * factor, end: middle + (range.end - middle) * factor});
}
function control(zoom, whole, more = {}) {
  document.getElementById("zoom-in").onclick = () => zoom(0.5);
  document.getElementById("zoom-out").onclick = () => zoom(2);
  document.getElementById("whole").onclick = whole;
  document.getElementById("theme").onclick = () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  };
  const keys = {"+": () => zoom(0.5), "-": () => zoom(2), "0": whole, ...more};
  document.addEventListener("keydown", (key) => {
    if (key.target.closest("button, audio, input") || key.ctrlKey || key.metaKey || key.altKey) return;
    if (keys[key.key]) { keys[key.key](); key.preventDefault(); }
  });
}
