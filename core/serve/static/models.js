// The composed models: a diagram whose parts show what they are, and the same as a table.

import { factsOf } from "./api.js";
import { $, count, el, showProblem, svg } from "./dom.js";

const LINE = 17;

export class Models {
  constructor(chosen) {
    this.chosen = chosen;
  }

  async show() {
    const sections = [];
    for (const { id } of this.chosen()) {
      try {
        sections.push(sectionOf(await factsOf(id)));
      } catch (error) {
        showProblem(error.message);
      }
    }
    $("models").replaceChildren(...sections);
  }
}

function sectionOf(facts) {
  const detail = el("div", { className: "detail", role: "status" }, el("p", { className: "soft", textContent: "Choose a part of the diagram to see its shapes and parameters." }));
  const choose = (part) => detail.replaceChildren(...detailOf(part, facts.parameters));
  return el("section", { className: "model", ariaLabel: facts.id },
    el("h2", { textContent: facts.id }),
    el("p", { className: "soft", textContent: facts.description }),
    el("div", { className: "diagram" }, diagramOf(facts, choose)),
    detail,
    el("details", {}, el("summary", { textContent: "All parts" }), tableOf(facts)));
}

function diagramOf({ diagram, parts }, choose) {
  const byPath = new Map(parts.map((part) => [part.path, part]));
  const root = svg("svg", { viewBox: `0 0 ${diagram.width} ${diagram.height}`, width: diagram.width, height: diagram.height, role: "group", "aria-label": `The model ${diagram.title}` });
  const tip = `tip-${Math.random().toString(36).slice(2)}`;
  root.append(svg("defs", {}, svg("marker", { id: tip, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, svg("path", { class: "tip", d: "M 0 0.5 L 8 4 L 0 7.5 z" }))));
  root.append(text(20, 32, diagram.title, "title"), text(20, 52, diagram.caption, "note"));
  for (const column of diagram.columns) root.append(rectangle(column, "panel", 10), text(column.x + 14, column.y + 22, column.heading, "heading"));
  for (const arrow of diagram.arrows) {
    const path = svg("path", { class: arrow.back ? "arrow back" : "arrow", d: arrow.path, "marker-end": `url(#${tip})` });
    if (arrow.both) path.setAttribute("marker-start", `url(#${tip})`);
    root.append(path);
  }
  for (const node of diagram.nodes) root.append(nodeOf(node, byPath.get(node.key), choose));
  for (const arrow of diagram.arrows) {
    arrow.label.forEach((line, index) => {
      const made = text(arrow.x, arrow.y + 14 * index, line, line.startsWith("[") ? "label shape" : "label", arrow.anchor);
      if (arrow.back) made.setAttribute("transform", `rotate(-90 ${arrow.x} ${arrow.y})`);
      root.append(made);
    });
  }
  return root;
}

function nodeOf(node, part, choose) {
  const radius = part ? 8 : node.height / 2;
  const group = svg("g", { class: "node" }, rectangle(node, `box ${node.colour}`, radius));
  const first = node.y + node.height / 2 - (LINE * (node.lines.length - 1)) / 2 + 4.5;
  node.lines.forEach((line, index) => {
    group.append(text(node.x + node.width / 2, first + LINE * index, line, index || !part ? "component" : "path", "middle"));
  });
  if (part) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", `${part.path}: ${part.component}`);
    group.addEventListener("click", () => choose(part));
    group.addEventListener("focus", () => choose(part));
    group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(part); } });
  }
  return group;
}

function detailOf(part, parameters) {
  const rows = [["component", `${part.component}, ${part.summary}`], ["from", part.plugin]];
  for (const input of part.inputs) rows.push(["reads", input]);
  if (part.output) rows.push(["gives", part.output]);
  if (part.parameters !== null) rows.push(["parameters", `${count(part.parameters)}, ${((100 * part.parameters) / parameters).toFixed(1)} % of the model`]);
  if (part.shared_with.length) rows.push(["shared with", part.shared_with.join(", ")]);
  return [el("h3", { textContent: part.path }), el("dl", {}, ...rows.flatMap(([name, value]) => [el("dt", { textContent: name }), el("dd", { textContent: value })]))];
}

function tableOf(facts) {
  const row = (cells, tag) => el("tr", {}, ...cells.map((cell) => el(tag, { textContent: cell })));
  const body = facts.parts.map((part) => row([part.path, part.component, part.output ?? "", part.parameters === null ? "" : count(part.parameters)], "td"));
  return el("div", { className: "scroll" }, el("table", {}, el("thead", {}, row(["part", "component", "gives", "parameters"], "th")), el("tbody", {}, ...body)));
}

const rectangle = ({ x, y, width, height }, kind, rx) => svg("rect", { class: kind, x, y, width, height, rx });

function text(x, y, content, kind, anchor = "start") {
  const made = svg("text", { x, y, class: kind, "text-anchor": anchor });
  made.textContent = content;
  return made;
}
