/** The gateway's key, where it asks for one. Kept for this tab alone, and never in an address. */

import { part } from "./element";

const KEPT_AS = "cointide.key";

export class Key {
  private value: string | null = null;

  constructor(given: () => void) {
    try {
      this.value = sessionStorage.getItem(KEPT_AS);
    } catch {
      // Then it is asked for once a page.
    }
    part<HTMLFormElement>("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = part<HTMLInputElement>("key-input");
      this.value = input.value.trim() || null;
      input.value = "";
      try {
        if (this.value) sessionStorage.setItem(KEPT_AS, this.value);
      } catch {
        // As above.
      }
      part("key-form").hidden = true;
      given();
    });
  }

  readonly get = (): string | null => this.value;

  ask(): void {
    part("key-form").hidden = false;
    part("key-input").focus();
  }
}
