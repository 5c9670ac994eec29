// Redis and Lua know bytes, JavaScript knows text. Inside the simulated store a string holds one byte in each character
// (0 to 255), so that Maps, comparisons and lengths are those of Redis; only what comes in and goes out is converted.

const NOT_ASCII = /[^\0-\x7f]/; // eslint-disable-line no-control-regex

/** What a client library would send for this argument, as bytes. */
export function toBytes(text: string): string {
  return NOT_ASCII.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** What a client library would make of these bytes. Bytes that are no UTF-8 are replaced, as ioredis does. */
export function toText(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, "latin1").toString("utf8") : bytes;
}

/** The end that C sees: an error message with a NUL in it stops there. */
export function untilNul(bytes: string): string {
  const end = bytes.indexOf("\0");
  return end === -1 ? bytes : bytes.slice(0, end);
}
