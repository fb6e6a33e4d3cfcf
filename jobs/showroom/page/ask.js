// What the page asks the service. A request that nobody waits for any more is broken off.

let leaving = new AbortController();

/** Break off all that is under way: another view is shown. */
export function leave() {
  leaving.abort();
  leaving = new AbortController();
}

async function answered(path, values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== "");
  let answer;
  try {
    answer = await fetch(`api/${path}?${new URLSearchParams(given)}`, { signal: leaving.signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The service does not answer. Is it running?");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const detail = typeof problem.detail === "string" ? problem.detail : `the service answered ${answer.status}`;
  throw new Error(detail);
}

/** One answer. */
export const ask = async (path, values = {}) => (await answered(path, values)).json();

/** An answer that takes a while: `told` hears what is being done, the result comes at the end. */
export async function follow(path, values, told) {
  const reader = (await answered(path, values)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += value || "";
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const line of lines.map((text) => JSON.parse(text))) {
      if ("result" in line) return line.result;
      if ("error" in line) throw new Error(line.error);
      told(line.doing);
    }
    if (done) throw new Error("The service broke off. Its log says why.");
  }
}

let known = null;

/** Surfaces, countries, days and whether pseudonyms are on; asked for once. */
export async function about() {
  known ??= await ask("about");
  return known;
}
