// Shows openapi.json: routes by tag, what goes in, what comes out.
const main = document.getElementById("routes");

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

// The schema with its references put in, as far as they don't lead back to themselves.
function resolved(schema, schemas, inside = []) {
  if (Array.isArray(schema)) return schema.map((part) => resolved(part, schemas, inside));
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    if (inside.includes(name)) return name;
    return resolved(schemas[name], schemas, [...inside, name]);
  }
  return Object.fromEntries(
    Object.entries(schema).map(([name, part]) => [name, resolved(part, schemas, inside)]),
  );
}

function showSchema(title, content, schemas) {
  const part = make("section");
  for (const [type, { schema }] of Object.entries(content ?? {})) {
    part.append(make("h3", `${title} · ${type}`));
    if (schema) part.append(make("pre", JSON.stringify(resolved(schema, schemas), null, 2)));
  }
  return part;
}

function showParameters(parameters) {
  const table = make("table");
  for (const { name, in: place, required, schema } of parameters) {
    const row = table.insertRow();
    row.append(make("td", name), make("td", place + (required ? ", required" : "")));
    row.append(make("td", JSON.stringify(schema)));
  }
  return table;
}

function showRoute(path, method, operation, schemas) {
  const details = make("details");
  const summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "method"), make("code", path));
  summary.append(make("span", operation["x-right"], "right"));
  summary.append(make("div", operation.summary, "quiet"));
  details.append(summary);
  details.dataset.text = `${method} ${path} ${operation.summary}`.toLowerCase();
  if (operation.description) details.append(make("p", operation.description));
  if (operation.parameters.length) details.append(showParameters(operation.parameters));
  if (operation.requestBody) {
    details.append(showSchema("Request", operation.requestBody.content, schemas));
  }
  const answers = make("ul");
  for (const [status, { description, content }] of Object.entries(operation.responses)) {
    answers.append(make("li", `${status}: ${description}`));
    if (status < "300") details.append(showSchema("Answer", content, schemas));
  }
  details.append(answers);
  return details;
}

function show(spec) {
  const sections = new Map();
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const [tag] = operation.tags;
      if (!sections.has(tag)) {
        const section = make("section");
        section.append(make("h2", tag));
        sections.set(tag, section);
      }
      sections.get(tag).append(showRoute(path, method, operation, spec.components.schemas));
    }
  }
  main.replaceChildren(...sections.values());
}

document.getElementById("filter").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  for (const details of main.querySelectorAll("details")) {
    details.hidden = !details.dataset.text.includes(wanted);
  }
});

try {
  show(await (await fetch("/api/v1/openapi.json")).json());
} catch (problem) {
  console.error(problem);
  main.textContent = "The description can't be read now; load the page again.";
}
