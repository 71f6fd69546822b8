// Elements, built without HTML in texts: what models and files say is only ever text.

export const $ = (id) => document.getElementById(id);

export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// Says something to readers of the screen; sighted users see it happen.
export function announce(text) {
  $("status").textContent = text;
}

export function showProblem(text) {
  $("problem").textContent = text;
  $("problem").hidden = !text;
}

export const numberOf = (input) => (input.value.trim() === "" ? null : Number(input.value));

// 1234567 -> "1.23 M"
export function count(number) {
  for (const [size, unit] of [[1e9, " B"], [1e6, " M"], [1e3, " k"]]) {
    if (number >= size) return (number / size).toPrecision(3) + unit;
  }
  return String(number);
}
