/** Light or dark: as the system says, unless the reader chose; kept in this browser. */

import type { SparkColours } from "./table/sparkline";

const KEPT_AS = "cointide.theme";
type Choice = "light" | "dark";

export class Theme {
  /** Rises with every change, for what is drawn on a canvas. */
  epoch = 0;
  spark: SparkColours = { line: "", end: "" };
  private readonly system = window.matchMedia("(prefers-color-scheme: dark)");
  private readonly listeners: (() => void)[] = [];

  constructor(private readonly button: HTMLButtonElement) {
    button.addEventListener("click", () => this.choose(this.current === "dark" ? "light" : "dark"));
    this.system.addEventListener("change", () => this.apply());
    this.apply();
  }

  get current(): Choice {
    return readChoice() ?? (this.system.matches ? "dark" : "light");
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  get isDark(): boolean {
    return this.current === "dark";
  }

  colour(name: string): string {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  private choose(choice: Choice): void {
    try {
      localStorage.setItem(KEPT_AS, choice);
    } catch {
      // Where nothing may be kept the choice lasts as long as the page.
      unkept = choice;
    }
    this.apply();
  }

  private apply(): void {
    document.documentElement.dataset["theme"] = this.current;
    this.button.setAttribute("aria-pressed", String(this.current === "dark"));
    this.spark = { line: this.colour("spark"), end: this.colour("accent") };
    this.epoch += 1;
    for (const listener of this.listeners) listener();
  }
}

let unkept: Choice | null = null;

function readChoice(): Choice | null {
  try {
    const kept = localStorage.getItem(KEPT_AS);
    if (kept === "light" || kept === "dark") return kept;
  } catch {
    // As above.
  }
  return unkept;
}
