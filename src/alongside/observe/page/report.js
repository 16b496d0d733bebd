"use strict";
/* Draws the figures, keeps them in the page's colours, and filters. All it knows comes from the page itself. */
(() => {
  const root = document.documentElement;
  const element = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const settings = { responsive: true, displayModeBar: false, scrollZoom: false };

  const figures = {};
  for (const source of document.querySelectorAll('script[type="application/json"]')) {
    const name = source.id.replace("data-", "");
    figures[name] = JSON.parse(source.textContent);
  }

  function dressed(figure) {
    const layout = structuredClone(figure.layout);
    const text = colour("text"), line = colour("line");
    Object.assign(layout, { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" });
    layout.font = { color: text, family: "system-ui, sans-serif", size: 12 };
    layout.hoverlabel = { bgcolor: colour("card"), bordercolor: colour("soft"), font: { color: text } };
    for (const key of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      Object.assign(layout[key], { gridcolor: line, zerolinecolor: line, linecolor: line, fixedrange: key[0] === "y" });
    }
    const colours = { succeeded: colour("ok"), failed: colour("no"), "its workers": colour("alt") };
    const data = figure.data.map((trace) => {
      const own = colours[trace.name] || colour("ok");
      const made = { ...trace };
      if (trace.type === "bar") made.marker = { color: own, line: { width: 0 } };
      else made.line = { ...trace.line, color: own };
      return made;
    });
    return { data, layout };
  }

  function draw() {
    for (const [name, figure] of Object.entries(figures)) {
      const { data, layout } = dressed(figure);
      if (name === "lanes") {
        const old = element(name).layout;
        if (old && old.xaxis) layout.xaxis.range = old.xaxis.range;
        data.filter((trace) => trace.name === "succeeded").forEach((trace) => { trace.visible = !onlyFailed(); });
      }
      Plotly.react(element(name), data, layout, settings);
    }
  }

  const onlyFailed = () => document.querySelector('input[name="show"]:checked').value === "failed";
  for (const choice of document.querySelectorAll('input[name="show"]')) {
    choice.addEventListener("change", () => {
      draw();
      for (const row of document.querySelectorAll("tbody tr:not(.failed)")) {
        if (!row.closest(".predictions")) row.hidden = onlyFailed();
      }
    });
  }
  element("whole").addEventListener("click", () =>
    Plotly.relayout(element("lanes"), { "xaxis.range": figures.lanes.layout.xaxis.range.slice() }));

  const find = element("find");
  if (find) {
    const all = [...document.querySelectorAll(".failure")];
    find.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const one of all) one.hidden = !one.textContent.toLowerCase().includes(wanted);
      const left = all.filter((one) => !one.hidden).length;
      element("found").textContent = wanted ? `${left} of ${all.length}` : "";
    });
  }

  const theme = element("theme");
  const night = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : night.matches;
  function told() {
    theme.textContent = isDark() ? "Light" : "Dark";
    theme.setAttribute("aria-pressed", String(isDark()));
    theme.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
  }
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; told(); draw(); });
  night.addEventListener("change", () => { told(); draw(); });

  told();
  draw();
  root.dataset.drawn = "yes";
})();
