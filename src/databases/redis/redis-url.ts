import type { RedisOptions } from "ioredis";

/**
 * The options that a URL of one server gives, read as ioredis reads it (a test holds the two together): a locker reads
 * its URL when it is made, and ioredis is loaded with the first connection.
 */
export function parseRedisUrl(url: string): RedisOptions {
  if (/^\d+$/.test(url)) return { port: Number(url) };
  const options = /^\/(?!\/)/.test(url) ? parseSocket(url) : parseAddress(url);
  if (url.startsWith("rediss://")) options["tls"] ??= true;
  for (const name of ["port", "db"]) {
    if (typeof options[name] === "string") options[name] = Number.parseInt(options[name], 10);
  }
  return options as RedisOptions;
}

type Read = Record<string, unknown>;

function parseSocket(url: string): Read {
  const [path, query] = url.split(/\?(.*)/s);
  return { ...parseQuery(new URLSearchParams(query)), path };
}

function parseAddress(text: string): Read {
  const hasScheme = /^(rediss?:)?\/\//i.test(text);
  const url = new URL(text.startsWith("//") ? `redis:${text}` : hasScheme ? text : `redis://${text}`);
  const { username, password, pathname, hostname, port } = url;
  const path = pathname.length > 1 ? (hasScheme ? { db: pathname.slice(1) } : { path: pathname }) : {};
  return {
    ...parseQuery(url.searchParams),
    ...((username || password) && {
      username: decodeURIComponent(username),
      password: decodeURIComponent(password),
    }),
    ...path,
    ...(hostname && { host: hostname.replace(/^\[|\]$/g, "") }),
    ...(port && { port }),
  };
}

function parseQuery(query: URLSearchParams): Read {
  const options = Object.fromEntries(query) as Read;
  const family = Number.parseInt(String(options["family"]), 10);
  return Number.isNaN(family) ? options : { ...options, family };
}
