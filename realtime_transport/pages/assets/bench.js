"use strict";
function figures() { return ["latencies", "by_level", "cost", "lateness"].map(model).filter((found) => found); }

control(
  (factor) => { for (const figure of figures()) scale(figure.x_range, factor); },
  () => { for (const figure of figures()) figure.reset.emit(); },
);
