// Draws each table of the page as a plot. The numbers are read from the table itself.
const { Chart } = globalThis;

const LONGEST = 26; // letters in one line of a name
const NOT_DRAWN = ["issued", "calls"]; // the sum of the others; not a time
const charts = [];

function read(table) {
  const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  const rows = [...table.tBodies[0].rows].map((row) =>
    [...row.cells].map((cell) => (cell.firstElementChild ?? cell).textContent)); // without marks
  const series = heads.slice(1)
    .map((label, n) => ({ label, data: rows.map((row) => Number(row[n + 1])) }))
    .filter(({ label }) => !NOT_DRAWN.includes(label));
  return { labels: rows.map(([name]) => name), series };
}

/** A colour of the style sheet as it is now, light or dark. */
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** A long name in several lines; a day without its year. */
function lines(name, plot) {
  if (plot === "days") return name.slice(5);
  return name.split(" ").reduce((found, word) => {
    const last = found.at(-1);
    if (last !== undefined && last.length + word.length < LONGEST) found[found.length - 1] = `${last} ${word}`;
    else found.push(word);
    return found;
  }, []);
}

const heightOf = (names, series) => {
  const rows = names.map((name) => Math.max(name.length + 0.4, series.length > 1 ? 1.7 : 1.4));
  return 6 + rows.reduce((sum, one) => sum + one, 0);
};

/** Outcomes keep their colours; times are no outcomes. */
const COLOURS = { accepted: 1, overridden: 2, "no feedback": 3, ignored: 5 };
const colourOf = ({ label }, n) => colour(`--series-${COLOURS[label] ?? n + 4}`);

function options(plot, invented) {
  const stacked = plot !== "times";
  const horizontal = plot !== "days";
  const ink = { color: colour("--ink") };
  const grid = { color: colour("--line") };
  const counts = { beginAtZero: true, stacked, grace: plot === "days" ? "5%" : 0, ticks: { ...ink, precision: plot === "times" ? undefined : 0 }, grid };
  const names = { stacked, ticks: { ...ink, autoSkip: !horizontal, maxRotation: 0 }, grid: { display: false } };
  if (plot === "times") counts.title = { display: true, text: "milliseconds", ...ink };
  return {
    animation: false,
    maintainAspectRatio: false,
    indexAxis: horizontal ? "y" : "x",
    scales: horizontal ? { x: counts, y: names } : { x: names, y: counts },
    plugins: {
      legend: { labels: ink, position: "top", align: "start" },
      title: { display: invented, text: "Invented numbers", align: "start", ...ink },
    },
  };
}

function draw(holder) {
  const table = document.getElementById(holder.dataset.table);
  const { labels, series } = read(table);
  const canvas = document.createElement("canvas");
  const title = document.getElementById(holder.closest("section").getAttribute("aria-labelledby"));
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Plot of ${title.textContent}; the numbers are in the table below`);
  holder.hidden = false;
  holder.replaceChildren(canvas);
  const datasets = series.map((one, n) => ({ ...one, backgroundColor: colourOf(one, n), maxBarThickness: 28 }));
  const names = labels.map((name) => lines(name, holder.dataset.plot));
  if (holder.dataset.plot !== "days") holder.style.height = `${heightOf(names, series)}rem`;
  charts.push(new Chart(canvas, { type: "bar", data: { labels: names, datasets }, options: options(holder.dataset.plot, "invented" in holder.dataset) }));
}

function drawAll() {
  for (const chart of charts.splice(0)) chart.destroy();
  document.querySelectorAll(".plot").forEach(draw);
}

drawAll();
document.addEventListener("themechange", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
