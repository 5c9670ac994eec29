import type { Identity, LeaseStore, StoreContext } from "../database.js";
import { wait } from "../../clock.js";
import { StoreError } from "../../errors.js";
import { joinSignals, onAbort } from "../../signals.js";
import { epochOf, type Epoch } from "./epoch.js";
import type { Register } from "./register.js";

/** The longest pause before the register is asked again, ms. */
const RETRY_MS = 250;

type Args<Name extends keyof LeaseStore> = Parameters<NonNullable<LeaseStore[Name]>>;
type Current = { tier: Epoch | undefined; store: LeaseStore | undefined; left: AbortController };

/**
 * The main thread's door: that of the store in which the session lives, as its era says. Nothing here decides whether
 * an answer counts: trust does, and that is had in one epoch alone.
 */
export class TieredLeases implements LeaseStore {
  readonly #context: StoreContext;
  readonly #open: (tier: Epoch, context: StoreContext) => LeaseStore;
  readonly #ended = new AbortController();
  #current: Current = { tier: undefined, store: undefined, left: new AbortController() };
  #lastError = new StoreError("unreachable", "Two tiers: it is not known yet which is in use");

  constructor(register: Register, context: StoreContext, open: (tier: Epoch, context: StoreContext) => LeaseStore) {
    this.#context = context;
    this.#open = open;
    void this.#begin(register).finally(() => register.close());
  }

  acquire(...args: Args<"acquire">): ReturnType<LeaseStore["acquire"]> {
    return this.#ask(args[0], (store) => store.acquire(...args));
  }
  renew(...args: Args<"renew">): ReturnType<LeaseStore["renew"]> {
    return this.#ask(args[0], (store) => store.renew(...args));
  }
  reown(...args: Args<"reown">): ReturnType<LeaseStore["reown"]> {
    return this.#ask(args[0], (store) => store.reown(...args));
  }
  reassert(...args: Args<"reassert">): ReturnType<LeaseStore["reassert"]> {
    return this.#ask(args[0], (store) => store.reassert(...args));
  }
  release(...args: Args<"release">): ReturnType<LeaseStore["release"]> {
    return this.#ask(args[0], (store) => store.release(...args));
  }
  revoke(...args: Args<"revoke">): ReturnType<LeaseStore["revoke"]> {
    return this.#ask(args[0], (store) => store.revoke(...args));
  }
  condemn(...args: Args<"condemn">): ReturnType<LeaseStore["condemn"]> {
    return this.#ask(args[0], (store) => store.condemn(...args));
  }
  writeTombstones(...args: Args<"writeTombstones">): ReturnType<LeaseStore["writeTombstones"]> {
    return this.#ask(args[0], (store) => store.writeTombstones(...args));
  }
  readSession(...args: Args<"readSession">): ReturnType<LeaseStore["readSession"]> {
    return this.#ask(args[1], (store) => store.readSession(...args));
  }
  readHolders(key: string): ReturnType<LeaseStore["readHolders"]> {
    return this.#ask(undefined, (store) => store.readHolders(key));
  }
  markBlocked(...args: Args<"markBlocked">): ReturnType<LeaseStore["markBlocked"]> {
    return this.#ask(undefined, (store) => store.markBlocked(...args));
  }
  readWaiting(leaseId: string): ReturnType<LeaseStore["readWaiting"]> {
    return this.#ask(undefined, (store) => store.readWaiting(leaseId));
  }
  tellDeadlock(waiter: string): ReturnType<LeaseStore["tellDeadlock"]> {
    return this.#ask(undefined, (store) => store.tellDeadlock(waiter));
  }

  onEra(era: string): void {
    const tier = epochOf(era);
    if (tier && tier.epoch > (this.#current.tier?.epoch ?? 0)) this.#enter(tier);
  }

  /** A store that is left answers nobody any more: whoever waits for it waits for the next. */
  async whenUp(signal: AbortSignal): Promise<void> {
    for (;;) {
      const { store, left } = this.#current;
      const over = joinSignals([signal, left.signal, this.#ended.signal]);
      try {
        if (store) return await store.whenUp(over.signal);
        await new Promise<void>((resolve) => onAbort(over.signal, () => resolve()));
      } catch (cause) {
        if (!left.signal.aborted) throw cause;
      } finally {
        over.dispose();
      }
      if (signal.aborted || this.#ended.signal.aborted) throw this.#lastError;
    }
  }

  close(): void {
    this.#ended.abort();
    this.#current.store?.close();
  }

  /** Until a session says where it lives, what the register says counts. */
  async #begin(register: Register): Promise<void> {
    const { clock } = this.#context;
    const over = joinSignals([this.#ended.signal, this.#current.left.signal]);
    while (!over.signal.aborted) {
      try {
        await register.whenUp(over.signal);
        const tier = await register.see();
        if (!this.#current.tier && !this.#ended.signal.aborted) this.#enter(tier);
      } catch (cause) {
        if (cause instanceof StoreError) this.#lastError = cause;
        await wait(clock, clock.random() * RETRY_MS, over.signal).catch(() => {}); // the loop looks whether it is over
      }
    }
    over.dispose();
  }

  #enter({ epoch, isAway }: Epoch): void {
    if (this.#ended.signal.aborted) return;
    const before = this.#current;
    const left = new AbortController();
    const ifHere = (tell: () => void) => (left.signal.aborted ? undefined : tell());
    const { clock, onUp, onDown, onPush } = this.#context;
    const tier = { epoch, isAway };
    const store = this.#open(tier, {
      clock,
      onUp: () => ifHere(() => onUp?.()),
      onDown: (cause) => ifHere(() => onDown?.(cause)),
      ...(onPush && { onPush: (push) => ifHere(() => onPush(push)) }),
    });
    this.#current = { tier, store, left };
    before.left.abort(new StoreError("unreachable", "Two tiers: the other one is in use now"));
    before.store?.close();
  }

  async #ask<T>(identity: Identity | undefined, ask: (store: LeaseStore) => Promise<T>): Promise<T> {
    if (identity) this.onEra(identity.era);
    const { store, tier } = this.#current;
    if (!store) throw this.#lastError;
    const asked = identity && epochOf(identity.era);
    if (asked && asked.epoch !== tier?.epoch) {
      throw new StoreError("unreachable", "Two tiers: the epoch in which this was asked is over");
    }
    return ask(store);
  }
}
