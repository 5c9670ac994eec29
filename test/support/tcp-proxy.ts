// A TCP proxy that breaks connections on demand, between a client under test and a real server.

import { connect, type Socket } from "node:net";
import { Doors } from "./tcp-doors.js";
import { Link } from "./tcp-link.js";
import type { LaneMode } from "./tcp-lane.js";
import { mulberry32, seed } from "./wait.js";

/** "up" is client to server, "down" is server to client. */
export interface Directions {
  readonly up?: boolean;
  readonly down?: boolean;
}

export function startProxy(targetPort: number): Promise<TcpProxy> {
  return TcpProxy.start(targetPort);
}

/** The least retransmission timeout of Linux, ms. */
const rtoMs = 200;

type RequestTrap = { match: (bytes: Buffer) => boolean; spring: (done: Promise<void>) => void };
type ReplyTrap = { bytes: number; passed: WeakMap<Link, number>; spring: (done: Promise<void>) => void };

export class TcpProxy {
  readonly port: number;
  readonly url: string;
  /** New connections to `port` lead there. Open ones stay where they are. */
  targetPort: number;
  readonly #links = new Set<Link>();
  /** Cut from the client but not yet done with the server. Faults and heal() pass them by. */
  readonly #severed = new Set<Link>();
  readonly #detached = new Set<Link>();
  readonly #doors: Doors;
  #upMode: LaneMode = "flow";
  #downMode: LaneMode = "flow";
  #latencyMs = 0;
  #jitterMs = 0;
  #lossRate = 0;
  #random: (() => number) | undefined;
  #intercept: ((link: Link, bytes: Buffer) => boolean) | undefined;
  #requestTrap: RequestTrap | undefined;
  #replyTrap: ReplyTrap | undefined;

  private constructor(port: number, targetPort: number, doors: Doors) {
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.targetPort = targetPort;
    this.#doors = doors;
  }

  static async start(targetPort: number): Promise<TcpProxy> {
    const doors = new Doors();
    const enter = (client: Socket): void => proxy.#connect(client, () => proxy.targetPort);
    const proxy: TcpProxy = new TcpProxy(await doors.add(enter), targetPort, doors);
    return proxy;
  }

  /** Clients that are connected, as they see it. */
  get connections(): number {
    return [...this.#links].filter((link) => link.isClientOpen).length;
  }

  /** Bytes read and not yet passed on, on the connections that heal() would let flow. */
  get heldBytes(): { up: number; down: number } {
    const links = [...this.#links];
    return {
      up: links.reduce((sum, link) => sum + link.up.heldBytes, 0),
      down: links.reduce((sum, link) => sum + link.down.heldBytes, 0),
    };
  }

  /** Of all that it listens on. */
  get ports(): number[] {
    return this.#doors.ports;
  }

  /** One more port, which leads to another server and has every fault in common with the first. */
  addDoor(targetPort: number): Promise<number> {
    return this.#doors.add((client) => this.#connect(client, () => targetPort));
  }

  /** Listens again after refuse(). */
  accept(): Promise<void> {
    return this.#doors.accept();
  }

  /** New connections are refused. Open ones go on. */
  refuse(): void {
    this.#doors.refuse();
  }

  /** Resets all connections on both sides. Clients may connect again at once. */
  cut(): void {
    for (const link of this.#links) link.reset();
  }

  /** Sockets stay open and bytes vanish, also those of new connections. Default: both directions. */
  blackhole(directions: Directions = { up: true, down: true }): void {
    this.#setModes("swallow", directions);
  }

  /** Bytes, and new connections, are kept back until heal(): a stall, or a command that lands late. */
  hold(directions: Directions = { up: true, down: true }): void {
    this.#setModes("hold", directions);
  }

  /**
   * Ends blackhole() and hold(). What was held is delivered. A connection that lost bytes is closed after that: TCP
   * never delivers a stream with a hole, and replies that answer the wrong request would be a fault that cannot be.
   */
  heal(): void {
    this.#upMode = "flow";
    this.#downMode = "flow";
    for (const link of this.#links) {
      if (link.up.hasLost || link.down.hasLost) link.finish();
      else {
        link.up.release();
        link.down.release();
      }
    }
  }

  /** Every chunk takes `ms`, and up to `jitterMs` more, in each direction, in order. 0 ends it. Survives heal(). */
  latency(ms: number, jitterMs = 0, random?: () => number): void {
    this.#latencyMs = ms;
    this.#jitterMs = jitterMs;
    if (jitterMs > 0) this.#random ??= random ?? mulberry32(seed());
  }

  /**
   * Chunks are lost at that rate, as a TCP connection shows it: nothing is missing, but the chunk arrives after a
   * retransmission timeout, 200 ms and twice as long each time, and all behind it waits. 0 ends it. Survives heal().
   */
  lose(rate: number, random?: () => number): void {
    this.#lossRate = rate;
    if (rate > 0) this.#random ??= random ?? mulberry32(seed());
  }

  /** Sees every chunk that a client sends, before anything is done with it; true: it has dealt with it. */
  intercept(hook: ((link: Link, bytes: Buffer) => boolean) | undefined): void {
    this.#intercept = hook;
  }

  /**
   * Resets the clients' side of all connections, and keeps what they had sent and was not passed on: after hold(),
   * commands of sockets that are dead by now. heal() does not deliver them, deliverDetached() does.
   */
  detach(): void {
    for (const link of this.#links) {
      this.#links.delete(link);
      this.#detached.add(link);
      link.detach();
    }
  }

  /** Delivers what detached clients had sent. Resolves once the server has executed it and closed. */
  async deliverDetached(): Promise<void> {
    const links = [...this.#detached];
    this.#detached.clear();
    for (const link of links) this.#severed.add(link);
    await Promise.all(links.map((link) => link.deliverDetached()));
  }

  /**
   * One shot, a lost reply: the first chunk that matches is passed on, then its client is reset before any reply gets
   * through. Resolves once the server has executed it. A chunk is what one write sent, as a rule.
   */
  cutAfterRequest(match: (bytes: Buffer) => boolean): Promise<void> {
    return new Promise((spring) => (this.#requestTrap = { match, spring }));
  }

  /** One shot: the first connection to receive `bytes` more reply bytes gets exactly those, and then its end. */
  cutAfterReplyBytes(bytes: number): Promise<void> {
    return new Promise((spring) => (this.#replyTrap = { bytes, passed: new WeakMap(), spring }));
  }

  /** Takes back traps that have not sprung. */
  disarm(): void {
    this.#requestTrap = undefined;
    this.#replyTrap = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.refuse();
    for (const link of [...this.#links, ...this.#severed, ...this.#detached]) link.reset();
  }

  #connect(client: Socket, target: () => number): void {
    const link = new Link(client, {
      dial: () => connect({ port: target(), host: "127.0.0.1", allowHalfOpen: true }),
      delayMs: () => this.#latencyMs + this.#jitter() + this.#retransmissionMs(),
      onRequest: (from, bytes) => this.#trapRequest(from, bytes) || (this.#intercept?.(from, bytes) ?? false),
      onReply: (from, bytes) => this.#trapReply(from, bytes),
      onClosed: (closed) => this.#forget(closed),
      upMode: this.#upMode,
      downMode: this.#downMode,
    });
    this.#links.add(link);
  }

  #jitter(): number {
    return this.#jitterMs > 0 ? this.#random!() * this.#jitterMs : 0;
  }

  #retransmissionMs(): number {
    let tries = 0;
    while (this.#lossRate > 0 && this.#random!() < this.#lossRate) tries += 1;
    return rtoMs * (2 ** tries - 1);
  }

  #forget(link: Link): void {
    for (const links of [this.#links, this.#severed, this.#detached]) links.delete(link);
  }

  #setModes(mode: LaneMode, { up = false, down = false }: Directions): void {
    if (up) this.#upMode = mode;
    if (down) this.#downMode = mode;
    for (const link of this.#links) {
      if (up) link.up.mode = mode;
      if (down) link.down.mode = mode;
    }
  }

  #trapRequest(link: Link, bytes: Buffer): boolean {
    const trap = this.#requestTrap;
    if (!trap || !this.#links.has(link) || !trap.match(bytes)) return false;
    this.#requestTrap = undefined;
    this.#sever(link);
    trap.spring(link.loseReply(bytes));
    return true;
  }

  #trapReply(link: Link, bytes: Buffer): boolean {
    const trap = this.#replyTrap;
    if (!trap || !this.#links.has(link)) return false;
    const left = trap.bytes - (trap.passed.get(link) ?? 0);
    trap.passed.set(link, trap.bytes - left + bytes.length);
    if (bytes.length < left) return false;
    this.#replyTrap = undefined;
    this.#sever(link);
    trap.spring(link.endAfter(bytes.subarray(0, left)));
    return true;
  }

  #sever(link: Link): void {
    this.#links.delete(link);
    this.#severed.add(link);
  }
}
