/** Words of operations that carry secrets. */
const SECRET = /password|signIn|token|secret/i;

/**
 * The browser's storage for tabs, history and layout, except for what may hold a secret: an operation typed with a
 * password is not written to disk, where it would outlive the session.
 */
export const storage = {
  getItem: (name: string) => localStorage.getItem(name),
  setItem: (name: string, value: string) => {
    if (SECRET.test(value)) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  },
  removeItem: (name: string) => localStorage.removeItem(name),
  clear: () => localStorage.clear(),
  get length() {
    return localStorage.length;
  },
};
