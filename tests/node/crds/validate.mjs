// Says what KEDA and the Prometheus operator would not take of the objects on standard input: {"wrong": [...]}.
//
// The schemas are those of their own types. They let unknown fields pass; one that they never look at is unknown.
import { ScaledObject } from "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor";

const KINDS = { ScaledObject, ServiceMonitor };
const TOP = new Set(["apiVersion", "kind", "metadata", "spec"]);

/** `value`, which takes out of `unread` the paths that are looked at. */
function watched(value, path, unread) {
  if (typeof value !== "object" || value === null) return value;
  const children = new Map();
  for (const name of Object.keys(value)) unread.add(`${path}.${name}`);
  return new Proxy(value, {
    get(target, name) {
      if (typeof name === "symbol" || !Object.hasOwn(target, name)) return target[name];
      unread.delete(`${path}.${name}`);
      if (!children.has(name)) children.set(name, watched(target[name], `${path}.${name}`, unread));
      return children.get(name);
    },
  });
}

let text = "";
for await (const piece of process.stdin) text += piece;
const wrong = [];
for (const object of JSON.parse(text)) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const unread = new Set();
  const checked = new KINDS[object.kind]({ ...object, spec: {} });
  checked.apiVersion = object.apiVersion;
  checked.spec = watched(object.spec, ".spec", unread);
  try {
    checked.validate();
  } catch (error) {
    wrong.push(`${name}: ${error.message}`);
  }
  for (const path of unread) wrong.push(`${name}: ${path} is unknown`);
  for (const field of Object.keys(object)) if (!TOP.has(field)) wrong.push(`${name}: ${field} is unknown`);
}
console.log(JSON.stringify({ wrong }));
