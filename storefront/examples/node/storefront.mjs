// Reads a shopper's list: the pointer at most every 30 s, then one LRANGE; fallbacks; one retry when all was empty.
import crypto from "node:crypto";
import { createClient } from "redis";

const POINTER_MS = 30_000;
const SPACE = "\\u0009-\\u000D\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000";
const OUTER_SPACE = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");

export class Storefront {
  #redis;
  #userKey;
  #pointers = new Map();

  constructor(redis, userKey = null) {
    this.#redis = redis;
    this.#userKey = userKey;
  }

  async recommend(user, k, { surface = "home", context = {}, exclude = [] } = {}) {
    if (!Number.isInteger(k) || k < 0) throw new RangeError(`k=${k} must be a whole number, 0 or more`);
    if (user !== null) user = canonical(user);
    if (k === 0) return { items: [], fallback: "none", version: null, arm: null };
    let empty = null;
    let arm, meta;
    for (let attempt = 0; attempt < 2; attempt++) {
      [meta, arm] = await this.#choose(surface, user, empty);
      if (meta.version === empty) break; // it still stands: there is nothing to show
      const count = Math.min(k + exclude.length, Number(meta.k));
      const lists = `recs:${surface}:${meta.version}`;
      const chain = user === null ? [] : [["user", `${lists}:u:${this.#filedAs(user, meta)}`]];
      for (const segment of segmentsFor(meta, context)) chain.push([segment, `${lists}:s:${segment}`]);
      for (const [fallback, key] of chain) {
        const found = await this.#redis.lRange(key, 0, count - 1);
        const items = found.filter((item) => !exclude.includes(item)).slice(0, k);
        if (items.length) return { items, fallback, version: meta.version, arm };
      }
      empty = meta.version; // removed while we read it? the pointer knows the next one
    }
    return { items: [], fallback: "none", version: meta.version, arm };
  }

  async #choose(surface, user, empty) {
    const current = await this.#pointer(surface, `recs:${surface}:current`, empty);
    if (!current) throw new Error(`nothing is published on ${surface}`);
    const { experiment } = current;
    if (user === null || !experiment) return [current.meta, null];
    const arm = assign(experiment, this.#filedAs(user, current.meta));
    const own = arm && (await this.#pointer(surface, `recs:${surface}:arm:${arm}`, empty));
    return own ? [own.meta, arm] : [current.meta, null];
  }

  async #pointer(surface, key, empty) {
    const known = this.#pointers.get(key);
    if (known && Date.now() < known.due && known.meta?.version !== empty) return known;
    const [version, experiment] = await Promise.all([
      this.#redis.get(key),
      this.#redis.get(`recs:${surface}:experiment`),
    ]);
    const meta = version === null ? {} : await this.#redis.hGetAll(`recs:${surface}:${version}:meta`);
    if (!meta.version) return null; // nothing published, or just removed
    const fresh = { meta, experiment: experiment && JSON.parse(experiment), due: Date.now() + POINTER_MS };
    this.#pointers.set(key, fresh);
    return fresh;
  }

  #filedAs(user, meta) {
    if (!meta.key_id) return user;
    return crypto.createHmac("sha256", this.#userKey).update(user, "utf8").digest("hex");
  }
}

export function canonical(id) {
  const spelled = id.normalize("NFC").replace(OUTER_SPACE, "");
  const bytes = Buffer.byteLength(spelled, "utf8");
  if (bytes < 1 || bytes > 256) throw new RangeError(`an id has 1 to 256 bytes, this one ${bytes}`);
  return spelled;
}

export function assign({ salt, arms }, user) {
  const digest = crypto.createHash("sha256").update(`${salt}:${user}`, "utf8").digest();
  const lot = Number(digest.readBigUInt64BE(0) >> 11n) / 2 ** 53;
  let taken = 0;
  return Object.entries(arms).find(([, share]) => lot < (taken += share))?.[0] ?? null;
}

function segmentsFor(meta, context) {
  const order = JSON.parse(meta.segments);
  if (!order.length) return []; // a surface without fallback
  const held = Object.entries(context).map(([name, value]) => `${name}=${value}`);
  return [...order.filter((segment) => segment !== "all" && held.includes(segment)), "all"];
}

// node storefront.mjs '[["17850", 10, {"context": {"country": "GB"}}], [null, 5]]': a line of JSON an answer.
if (import.meta.url === `file://${process.argv[1]}`) {
  const redis = await createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0" }).connect();
  const shop = new Storefront(redis, process.env.USER_KEY);
  for (const [user, k, options] of JSON.parse(process.argv[2])) {
    console.log(JSON.stringify(await shop.recommend(user, k, options)));
  }
  await redis.close();
}
