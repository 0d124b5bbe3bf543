import { useSyncExternalStore } from 'react';

/** A value that components watch; kept outside React because the socket and the fetcher change it too. */
export class Observable<Value> {
  private readonly watchers = new Set<() => void>();

  constructor(private value: Value) {}

  readonly get = (): Value => this.value;

  readonly watch = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  };

  set(value: Value): void {
    this.value = value;
    for (const watcher of this.watchers) watcher();
  }
}

/** The current value of an observable; the component renders again when it changes. */
export function useObservable<Value>(observable: Observable<Value>): Value {
  return useSyncExternalStore(observable.watch, observable.get);
}
