export type Settler<T> = { resolve(value: T): void; reject(reason: unknown): void };

/** Whatever becomes of the promise becomes of the other one, after `before`. */
export function settleBy<T>(promise: Promise<T>, { resolve, reject }: Settler<T>, before: () => void): void {
  promise.then(
    (value) => (before(), resolve(value)),
    (reason: unknown) => (before(), reject(reason)),
  );
}
