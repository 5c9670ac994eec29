// A bare connection that speaks inline commands. For questions a client library would answer too cleverly:
// is this server up yet, is it ours, what does MONITOR print.

import { connect, type Socket } from "node:net";
import { withDeadline } from "./wait.js";

export interface RawRedis {
  /** Sends one command whose arguments hold no spaces. Replies are read by the line. */
  send(...words: string[]): void;
  /** Called for every reply line that arrives from now on, without its line end. */
  onLine(listener: (line: string) => void): void;
  close(): void;
}

/** Connects and, when the URL has a password, authenticates. The reply of AUTH is the first line then. */
export async function openRaw(url: string, deadlineMs = 2_000): Promise<RawRedis> {
  const { hostname, port, username, password } = new URL(url);
  const socket = connect(Number(port === "" ? 6379 : port), hostname);
  try {
    await withDeadline(connected(socket), deadlineMs, `connecting to ${hostname}:${port}`);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  const raw = lineConnection(socket);
  if (password !== "") {
    const credentials = username === "" ? [password] : [username, password];
    raw.send("AUTH", ...credentials.map(decodeURIComponent));
  }
  return raw;
}

/** Sends inline commands and returns the reply lines up to the one that ends the exchange. */
export async function exchange(
  url: string,
  commands: string[],
  isLast: (line: string) => boolean,
  deadlineMs = 2_000,
): Promise<string[]> {
  const raw = await openRaw(url);
  try {
    const lines: string[] = [];
    const last = new Promise<void>((resolve) => {
      raw.onLine((line) => {
        lines.push(line);
        if (isLast(line)) resolve();
      });
    });
    for (const command of commands) raw.send(command);
    await withDeadline(last, deadlineMs, `the reply to ${commands.join(", ")}`);
    return lines;
  } finally {
    raw.close();
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    // Stays on for the socket's life: a reset later on shows as silence, which the caller's deadline reports.
    socket.on("error", reject);
  });
}

function lineConnection(socket: Socket): RawRedis {
  const listeners: ((line: string) => void)[] = [];
  let rest = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\r\n");
    rest = lines.pop() ?? "";
    for (const line of lines) for (const listener of listeners) listener(line);
  });
  return {
    send: (...words) => void socket.write(`${words.join(" ")}\r\n`),
    onLine: (listener) => void listeners.push(listener),
    close: () => void socket.destroy(),
  };
}
