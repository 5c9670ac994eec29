// The bars of results as an SVG, by hand: a panel for each chart, two in a row, each locker's p50.

import { show } from "./report.js";
import type { Chart } from "./question.js";
import type { Result } from "./results.js";

export interface Bar {
  readonly locker: string;
  readonly value: number;
  readonly unit: string;
}

export interface Panel extends Chart {
  readonly bars: readonly Bar[];
}

/** The charts that questions asked for, each with its bars. */
export function panelsOf(results: readonly Result[]): Panel[] {
  return results.flatMap(({ charts, series }) =>
    charts.map((chart): Panel => {
      const own = series.filter(({ label, locker, p50 }) => label === chart.series && locker && Number.isFinite(p50));
      return { ...chart, bars: own.map(({ locker = "", p50, unit }) => ({ locker, value: p50, unit })) };
    }),
  );
}

const width = 880;
const margin = 24;
const gap = 32;
const panelWidth = (width - 2 * margin - gap) / 2;
const nameWidth = 128;
const valueWidth = 96;
const barWidthMax = panelWidth - nameWidth - valueWidth;
const rowHeight = 24;
const headHeight = 48;

/** It brings its own ground, so that it is readable on any page; light or dark as the reader's system is. */
const style = `
  .ground { fill: #ffffff; stroke: #d0d7de } .title { fill: #1f2328; font-weight: 600; font-size: 14px }
  .note { fill: #59636e; font-size: 12px } .name, .value { fill: #1f2328; font-size: 12px }
  .ours { fill: #0969da } .theirs { fill: #afb8c1 } .us { font-weight: 600 }
  text { font-family: system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; stroke: #3d444d } .title, .name, .value { fill: #f0f6fc } .note { fill: #9198a1 }
    .ours { fill: #4493f8 } .theirs { fill: #656c76 }
  }
`;

export function chart(panels: readonly Panel[]): string {
  const drawn: string[] = [];
  let top = margin;
  for (let at = 0; at < panels.length; at += 2) {
    const row = panels.slice(at, at + 2);
    row.forEach((panel, column) => drawn.push(panelAt(margin + column * (panelWidth + gap), top, panel)));
    top += headHeight + Math.max(...row.map(({ bars }) => bars.length)) * rowHeight + margin;
  }
  const size = `width="${width}" height="${top}" viewBox="0 0 ${width} ${top}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escaped(summaryOf(panels))}">`,
    `<style>${style}</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${width - 1}" height="${top - 1}" rx="6"/>`,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

function panelAt(left: number, top: number, { title, better, scale, bars }: Panel): string {
  const words = [bars[0]?.unit ?? "", `${better} is better`, scale === "log" ? "logarithmic" : ""];
  const note = words.filter((word) => word !== "").join(", ");
  const length = lengths(bars, scale);
  const rows = bars.map(({ locker, value, unit }, row) => {
    const middle = headHeight + row * rowHeight + rowHeight / 2;
    const isOurs = locker === "pulselock";
    const end = nameWidth + (length[row] ?? 0);
    const bar = `x="${nameWidth}" y="${middle - 8}" width="${(length[row] ?? 0).toFixed(1)}" height="16" rx="2"`;
    return [
      `<text class="name${isOurs ? " us" : ""}" x="0" y="${middle + 4}">${escaped(locker)}</text>`,
      `<rect class="${isOurs ? "ours" : "theirs"}" ${bar}/>`,
      `<text class="value" x="${(end + 6).toFixed(1)}" y="${middle + 4}">${escaped(withUnit(value, unit))}</text>`,
    ].join("");
  });
  const head = `<text class="title" y="16">${escaped(title)}</text><text class="note" y="34">${escaped(note)}</text>`;
  return `<g transform="translate(${left} ${top})">${head}\n${rows.join("\n")}</g>`;
}

/** Logarithmic ones begin at the power of ten below the least of them. What is nothing has a line for a bar. */
function lengths(bars: readonly Bar[], scale: Chart["scale"]): number[] {
  return shares(bars, scale).map((share) => Math.max(1, barWidthMax * share));
}

function shares(bars: readonly Bar[], scale: Chart["scale"]): number[] {
  const values = bars.map(({ value }) => value);
  if (scale !== "log") return values.map((value) => value / Math.max(...values, Number.MIN_VALUE));
  const from = Math.ceil(Math.log10(Math.min(...values))) - 1;
  const to = Math.log10(Math.max(...values));
  return values.map((value) => (Math.log10(value) - from) / (to - from));
}

/** A number a reader can compare: 12,300 and not 12345.6. */
export function withUnit(value: number, unit: string): string {
  const number = value >= 1_000 ? Number(value.toPrecision(3)).toLocaleString("en-US") : show(value);
  return unit === "" || unit === "×" ? `${number}${unit}` : `${number} ${unit}`;
}

function summaryOf(panels: readonly Panel[]): string {
  return panels
    .map(
      ({ title, bars }) =>
        `${title}: ${bars.map((bar) => `${bar.locker} ${withUnit(bar.value, bar.unit)}`).join(", ")}`,
    )
    .join(". ");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
