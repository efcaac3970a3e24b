/** Which matrix is shown: a window, and a method that there is for it. */

import type { Fields } from "../contract";
import type { Parameters } from "../line/rest";
import { Picker } from "../picker";
import {
  DEFAULT_METHOD,
  DEFAULT_WINDOW,
  methodName,
  tablesOf,
  windowName,
  type Table,
} from "./tables";

export class TablePicker {
  readonly window = new Picker("Window", () => this.windowPicked());
  readonly method: Picker;
  private tables: Table[] = [];

  constructor(private readonly changed: () => void) {
    this.method = new Picker("Method", changed);
  }

  /** Whether it is known which tables there are. */
  get isKnown(): boolean {
    return this.tables.length > 0;
  }

  offer(catalog: Fields): void {
    this.tables = tablesOf(catalog);
    const windows = [...new Set(this.tables.map(({ window }) => window))];
    this.window.offer(
      windows.map((value) => ({ value, text: windowName(value) })),
      DEFAULT_WINDOW,
    );
    this.windowPicked();
  }

  parameters(): Parameters {
    const [window, method] = [this.window.value, this.method.value];
    const table = this.tables.find((each) => each.window === window && each.method === method);
    return { window, sampling: table?.sampling, method };
  }

  private windowPicked(): void {
    const methods = this.tables.filter(({ window }) => window === this.window.value);
    this.method.offer(
      methods.map(({ method }) => ({ value: method, text: methodName(method) })),
      DEFAULT_METHOD,
    );
    this.changed();
  }
}
