/** *json* with a line for every member. No letter of it is changed; what is not JSON stays as it is. */
export function readable(json: string): string {
  if (!isJson(json)) return json;
  let lines = '';
  let depth = 0;
  let isBegun = false;
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    const isClosing = token === '}' || token === ']';
    if (isClosing) depth -= 1;
    if (isClosing !== isBegun) lines += newLine(depth);
    lines += token === ':' ? ': ' : token;
    isBegun = token === '{' || token === '[';
    if (isBegun) depth += 1;
    if (token === ',') lines += newLine(depth);
  }
  return lines;
}

function newLine(depth: number): string {
  return `\n${'  '.repeat(depth)}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
